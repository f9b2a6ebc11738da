"""Reads pipelines from YAML files or folders of them, and says what is wrong with one in words."""

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

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


def load_config(path: Path, overrides: Sequence[str] = ()) -> PipelineConfig:
    """Reads `PIPELINE.yaml` and applies `key.path=value` overrides.

    Args:
        path: The YAML file.
        overrides: Assignments such as `training.epochs=3`; values are read as YAML.

    Raises:
        UserError: The file cannot be read, is not YAML, or does not describe a pipeline.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not a YAML text. {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold a mapping of sections such as 'name' and 'corpus'.")
    for override in overrides:
        _assign(content, override)
    try:
        return PipelineConfig.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """One line per mistake: where it is, what is wrong, and the nearest key that exists."""
    return "\n".join(_explain_one(item) for item in error.errors())


def _explain_one(item: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, a TypedDict
    place = ".".join(["config", *map(str, item["loc"])])
    if item["type"] != "extra_forbidden":
        return f"{place}: {item['msg'].removeprefix('Value error, ')}"
    *section, key = item["loc"]
    known = list(_section_fields(PipelineConfig, section))
    near = difflib.get_close_matches(str(key), known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}."
    return f"{place}: there is no such key; {hint}"


def _section_fields(model: type[BaseModel], path: Sequence[str | int]) -> dict[str, Any]:
    for name in path:
        if isinstance(name, int) or name not in model.model_fields:
            continue
        nested = _nested_model(model.model_fields[name].annotation)
        if nested is not None:
            model = nested
    return model.model_fields


def _nested_model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type expression
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, UnionType) or get_args(annotation):
        return next(filter(None, map(_nested_model, get_args(annotation))), None)
    return None


def _assign(content: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise UserError(f"--set {override}: must read KEY.PATH=VALUE, as in training.epochs=3.")
    *sections, key = path.split(".")
    place = content
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise UserError(f"--set {override}: config.{section} is a value, not a section.")
    try:
        place[key] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(
            f"--set {override}: {text} is not a YAML value; close its brackets and quotes."
        ) from None
