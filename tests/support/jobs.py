"""Jobs for tests of single stages."""

from collections.abc import Mapping

from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from tasks.jobs.stage_job import StageJob


def make_job(
    ref: ArtifactRef,
    config: dict[str, JsonValue],
    inputs: Mapping[str, ArtifactRef],
    identity: dict[str, JsonValue] | None = None,
) -> StageJob:
    """A job of the pipeline `test`, whose identity is its configuration unless given."""
    return StageJob(
        pipeline="test",
        name=ref.stage,
        ref=ref,
        format_version=1,
        config=config,
        identity=config if identity is None else identity,
        inputs=dict(inputs),
    )
