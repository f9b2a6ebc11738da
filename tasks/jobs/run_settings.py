"""How a run executes, as opposed to what it computes."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, field_validator

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.root_urls import refuse_credentials
from tasks.jobs.stage_catalogue import AnyStage


class StageTimeout(BaseModel, frozen=True, extra="forbid"):
    """The most time one stage may take."""

    stage: AnyStage = Field(description="The stage.")
    minutes: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="Minutes it may work, from its first shard to its last; time spent waiting "
        "for another run that builds the same is not counted.",
    )


class StageTimedOut(RuntimeError):
    """A stage took longer than it may; what it has finished is kept."""


@dataclass(frozen=True)
class Deadline:
    """When a stage has to be done.

    Attributes:
        ref: What it builds.
        timeout: What it was given.
        at: The end, by the monotonic clock of this process, in seconds.
    """

    ref: ArtifactRef
    timeout: StageTimeout
    at: float

    @classmethod
    def from_now(cls, ref: ArtifactRef, timeouts: tuple[StageTimeout, ...]) -> Self | None:
        """The deadline of a stage that begins now; None if it may take as long as it likes."""
        for timeout in timeouts:
            if timeout.stage == ref.stage:
                return cls(ref, timeout, time.monotonic() + 60 * timeout.minutes)
        return None

    def seconds_left(self) -> float:
        """Until the end, 0 after it."""
        return max(0.0, self.at - time.monotonic())

    def error(self) -> StageTimedOut:
        """What a stage that is not done by then ends with."""
        stage, minutes = self.timeout.stage, self.timeout.minutes
        return StageTimedOut(
            f"{self.ref}: not done after {minutes:g} minutes, the most that the run's settings "
            f"give stage {stage} (settings.timeouts); its work was ended, finished shards and "
            f"training checkpoints are kept. Give it more, `--timeout {stage}=MINUTES`, or none, "
            "and run again: it goes on from there"
        )


def _without_credentials(url: str) -> str:
    refuse_credentials(url)
    return url


class RunSettings(BaseModel, frozen=True, extra="forbid"):
    """Where and how a run executes. Never part of an artifact's identity."""

    store: Annotated[str, AfterValidator(_without_credentials)] = Field(
        "store",
        description="Root of the artifact store: a folder or a URL, without credentials.",
        # the UI's form refuses what would be stored in plain sight
        json_schema_extra={"pattern": "^(?!(?!file:)[A-Za-z][^/]*:/+([^/]*@|.*[?]))"},
    )
    workers: int = Field(1, ge=1, description="Shards of one stage worked on at the same time.")
    threads: int | None = Field(
        None, ge=1, description="Threads per worker process; all cores shared evenly when unset."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where models run.")
    memory_gb: float = Field(
        2.0, gt=0, description="Memory one worker may use for a batch (GB, 10^9 bytes)."
    )
    timeouts: tuple[StageTimeout, ...] = Field(
        (), description="The most time that stages may take; unlimited for those not named."
    )

    @field_validator("timeouts")
    @classmethod
    def _one_per_stage(cls, timeouts: tuple[StageTimeout, ...]) -> tuple[StageTimeout, ...]:
        for stage, count in Counter(timeout.stage for timeout in timeouts).items():
            if count > 1:
                raise ValueError(f"stage {stage} is given {count} times; give it one time-out")
        return timeouts
