"""Finds the pipelines of a folder."""

from collections.abc import Sequence
from pathlib import Path

from flows.commands.compare_command import load_configs
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


def _of_folder(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in _ENDINGS)
    if not files:
        raise UserError(f"{folder}: has no pipelines; put their .yaml files there")
    return files
