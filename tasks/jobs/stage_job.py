"""What a stage is asked to do: its artifact's name, its configuration, its inputs."""

import re
from typing import Self, TypeVar

from pydantic import BaseModel, JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.fingerprint import fingerprint
from tasks.jobs.stage_catalogue import STAGES
from tasks.jobs.stage_words import run_title

_Config = TypeVar("_Config", bound=BaseModel)


def section_name(model: type[BaseModel]) -> str:
    """The section of a job's configuration that a class describes.

    It is the class's own `section` or its name: `alpha_router` of `AlphaRouterConfig`.
    """
    own: str | None = getattr(model, "section", None)
    return own or re.sub(r"(?<!^)(?=[A-Z])", "_", model.__name__.removesuffix("Config")).lower()


class StageJob(BaseModel, frozen=True, extra="forbid"):
    """One stage of a planned run, small enough to cross process and task borders.

    Attributes:
        pipeline: Name of the pipeline.
        name: What the job is called in it (`tokens`, `base_model_corpus`), stable over the runs:
            the UI shows the history of an artifact under both names.
        ref: The artifact to build; its fingerprint is the hash of everything in `identity`.
        format_version: Version of the stage's file format, part of the fingerprint.
        config: The stage's own configuration, with the paths it reads.
        identity: The part of the configuration that is hashed: content digests, no paths.
        inputs: Artifacts read by the stage, by role (`tokens`, `base`, `index`, ...).
    """

    pipeline: str
    name: str
    ref: ArtifactRef
    format_version: int
    config: dict[str, JsonValue]
    identity: dict[str, JsonValue]
    inputs: dict[str, ArtifactRef]

    @classmethod
    def planned(
        cls,
        pipeline: str,
        stage: str,
        config: dict[str, JsonValue],
        inputs: dict[str, ArtifactRef],
        *,
        identity: dict[str, JsonValue] | None = None,
        name: str | None = None,
    ) -> Self:
        """A job of a stage of the catalogue, with its fingerprint.

        Args:
            pipeline: The pipeline's name.
            stage: What is to be done.
            config: Sections that the stage reads.
            inputs: Artifacts that it reads, by role.
            identity: What is hashed in place of a configuration that names paths.
            name: The job's own name where a pipeline has several of a stage.
        """
        hashed = config if identity is None else identity
        version = STAGES[stage].format_version
        return cls(
            pipeline=pipeline,
            name=name or stage,
            ref=ArtifactRef(stage=stage, fingerprint=fingerprint(stage, version, hashed, inputs)),
            format_version=version,
            config=config,
            identity=hashed,
            inputs=inputs,
        )

    def section(self, model: type[_Config]) -> _Config:
        """The section of the configuration that a class describes."""
        return model.model_validate(self.config[section_name(model)])

    @property
    def title(self) -> str:
        """The job as a sentence: `Embed the tokens of law`."""
        return run_title(self.ref.stage, self.name, self.pipeline)
