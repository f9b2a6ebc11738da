"""Whether a build is a trial, which stays a candidate."""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment
from pydantic import BaseModel, ValidationError

from flows.config.pipeline_config import PipelineConfig


def why_trial(config: PipelineConfig, *, promote: bool | None) -> str:
    """Why a build that passes the gate stays a candidate all the same; empty if it does not.

    Args:
        config: What is built.
        promote: What the run was asked to do; when unset, the pipeline decides, and whether the
            run's form was changed.
    """
    if promote is not None:
        return "" if promote else "the run was a trial, which leaves a candidate"
    if not config.promotion.automatic:
        return "promotion.automatic is off"
    if changed := _changed_in_form(config):
        return f"this run changed {', '.join(changed)} of its deployment"
    return ""


def _changed_in_form(config: PipelineConfig) -> list[str]:
    """The settings in which a run differs from its deployment, by dotted path."""
    identity: str | None = deployment.id
    if identity is None:
        return []
    with get_client(sync_client=True) as client:
        try:
            deployed = client.read_deployment(identity).parameters["config"]
            return differing(PipelineConfig.model_validate(deployed), config)
        except (ObjectNotFound, KeyError, ValidationError):  # deleted, or of another version
            return ["the whole configuration"]


def differing(before: BaseModel, after: BaseModel, path: str = "") -> list[str]:
    """Dotted paths of the fields in which two models of one class differ."""
    found = []
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, BaseModel) and type(old) is type(new):
            found += differing(old, new, f"{path}{name}.")
        elif old != new:
            found.append(f"{path}{name}")
    return found
