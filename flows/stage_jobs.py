"""Jobs of stages: a stage's name, its version, its configuration and its inputs, fingerprinted."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from storage.artifact_ref import ArtifactRef
from storage.fingerprint import fingerprint
from tasks.stage_job import StageJob

StageName = Literal[
    "corpus",
    "base_model",
    "tokens",
    "embeddings",
    "index",
    "targets",
    "memory",
    "scores",
    "evaluation",
    "report",
]
"""Stages of every pipeline, in order."""

ComparedStage = Literal["adapted_model", "comparison"]
"""Stages that only a comparison has."""

FORMAT_VERSIONS: dict[StageName | ComparedStage, int] = {
    "corpus": 2,
    "base_model": 1,
    "tokens": 1,
    "embeddings": 1,
    "index": 2,
    "targets": 1,
    "memory": 1,
    "adapted_model": 1,
    "scores": 1,
    "evaluation": 2,
    "report": 1,
    "comparison": 1,
}
"""Raised when a stage's output for the same configuration and inputs changes."""

Config = dict[str, JsonValue]
Inputs = dict[str, ArtifactRef]


def make_job(
    pipeline: str,
    stage: StageName | ComparedStage,
    config: Config,
    inputs: Inputs,
    *,
    identity: Config | None = None,
    name: str | None = None,
) -> StageJob:
    """A job named after its stage, whose identity is its configuration, unless told otherwise.

    Args:
        pipeline: Name of the pipeline.
        stage: What is to be done.
        config: Sections that the stage reads.
        inputs: Artifacts that it reads, by role.
        identity: What is hashed in place of a configuration that names paths.
        name: The job's own name where a pipeline has several of a stage.
    """
    hashed = config if identity is None else identity
    version = FORMAT_VERSIONS[stage]
    return StageJob(
        pipeline=pipeline,
        name=name or stage,
        ref=ArtifactRef(stage=stage, fingerprint=fingerprint(stage, version, hashed, inputs)),
        format_version=version,
        config=config,
        identity=hashed,
        inputs=inputs,
    )


def section(name: str, config: BaseModel, without: set[str] | None = None) -> Config:
    """A section of a job's configuration, under its name."""
    return {name: config.model_dump(mode="json", exclude=without)}
