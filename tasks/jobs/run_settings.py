"""How a run executes, as opposed to what it computes."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, field_validator

from storage.objects.root_urls import refuse_credentials
from tasks.jobs.stage_timeout import StageTimeout


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
