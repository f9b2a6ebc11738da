"""Several pipelines: from their files, or all of a folder."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from flows.config.config_file import load_config
from flows.config.pipeline_config import PipelineConfig
from memdec_core.errors import UserError

_ENDINGS = (".yaml", ".yml")


def load_pipelines(paths: Sequence[Path]) -> list[PipelineConfig]:
    """Reads pipelines from files, and from all YAML files of folders, in the order of their names.

    Raises:
        UserError: A folder has none, a file is not a valid pipeline, or two have the same name.
    """
    files = [file for path in paths for file in (_of_folder(path) if path.is_dir() else [path])]
    return load_configs(list(dict.fromkeys(files)), [])


def load_configs(paths: Sequence[Path], overrides: Sequence[str]) -> list[PipelineConfig]:
    """Reads several pipelines; overrides apply to each.

    Raises:
        UserError: As `load_config`, and when two have the same name.
    """
    configs = [load_config(path, overrides) for path in paths]
    counts = Counter(config.name for config in configs)
    for name, count in counts.items():
        if count > 1:
            same = [str(path) for path, c in zip(paths, configs, strict=True) if c.name == name]
            raise UserError(
                f"config.name: {', '.join(same)} are all called {name}, but the names tell their "
                "corpora apart; give each pipeline a name of its own"
            )
    return configs


def _of_folder(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in _ENDINGS)
    if not files:
        raise UserError(f"{folder}: has no pipelines; put their .yaml files there")
    return files
