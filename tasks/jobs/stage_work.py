"""The three things in which stages differ; each stage's module has them as its `WORK`."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from storage.store.artifact_store import Store
from tasks.jobs.shard_run import ShardRun
from tasks.jobs.stage_job import StageJob

Figures = dict[str, JsonValue]
ONE_SHARD = "all"
"""Name of the shard of a stage that has only one."""


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
