"""What a stage does of its own, and what a worker process is handed to build one shard."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from pydantic import BaseModel, JsonValue

from storage.store.artifact_store import Store
from storage.store.shard_files import ShardReader, ShardWriter
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob

_Config = TypeVar("_Config", bound=BaseModel)


@dataclass(frozen=True)
class ShardRun:
    """One shard of a stage, in the process that computes it.

    Attributes:
        job: The stage's configuration and inputs.
        shard: Name of the shard to build, `all` in stages of one shard.
        settings: How to execute; must not change the result.
        store: The opened store, to read the inputs.
        writer: Where the shard's files go; committed by the caller when the work returns.
        report: Takes the finished fraction of this shard (0 to 1) and a short note.
    """

    job: StageJob
    shard: str
    settings: RunSettings
    store: Store
    writer: ShardWriter
    report: Callable[[float, str], None]

    def config(self, model: type[_Config]) -> _Config:
        """The section of the job's configuration that a class describes."""
        return self.job.section(model)

    def readers(self, role: str) -> dict[str, ShardReader]:
        """The shards of an input, by name."""
        return self.store.readers(self.job.inputs[role])

    def only(self, role: str) -> ShardReader:
        """The one shard of an input that is not cut into several."""
        return self.store.only(self.job.inputs[role])


Figures = dict[str, JsonValue]


@dataclass(frozen=True)
class StageWork:
    """What a stage does of its own, in worker processes.

    Attributes:
        build_shard: Builds one shard and returns its figures.
        list_shards: Names the stage's shards; the same names for the same job, always. None where
            there is only one.
        summarise: Makes the manifest's figures from the figures of all shards, by shard name; None
            where there is only one.
    """

    build_shard: Callable[[ShardRun], Figures]
    list_shards: Callable[[StageJob, Store], list[str]] | None = None
    summarise: Callable[[dict[str, Figures]], Figures] | None = None


def work_of(module: str) -> StageWork:
    """The work of a stage, with all the libraries that it needs.

    Args:
        module: The stage's module, as it is imported.
    """
    return cast("StageWork", importlib.import_module(module).WORK)
