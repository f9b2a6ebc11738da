"""How long a stage may take before it is ended."""

import time
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, Field

from storage.objects.artifact_ref import ArtifactRef
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
