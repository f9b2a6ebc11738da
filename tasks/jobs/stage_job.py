"""What a stage is asked to do: its artifact's name, its configuration, its inputs."""

from pydantic import BaseModel, ConfigDict, JsonValue

from storage.objects.artifact_ref import ArtifactRef
from tasks.jobs.stage_words import run_title


class StageJob(BaseModel):
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

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    name: str
    ref: ArtifactRef
    format_version: int
    config: dict[str, JsonValue]
    identity: dict[str, JsonValue]
    inputs: dict[str, ArtifactRef]

    @property
    def title(self) -> str:
        """The job as a sentence: `Embed the tokens of law`."""
        return run_title(self.ref.stage, self.name, self.pipeline)
