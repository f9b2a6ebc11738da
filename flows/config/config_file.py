"""Reads a pipeline's YAML file and says what is wrong with it in words."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from flows.config.pipeline_config import PipelineConfig
from memdec_core.errors import UserError


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
