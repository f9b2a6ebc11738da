"""What a table is made from: the bases and the scores among a stage's inputs."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from storage.formats.position_columns import read_scores
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.inputs.base_names import name_bases
from tasks.inputs.evaluated_splits import SPLITS
from tasks.jobs.stage_work import ShardRun


def scored_bases(run: ShardRun) -> dict[str, str]:
    """Names of the bases by number: base_0, base_1, …, in the order of the configuration."""
    return name_bases(run.store, base_models(run.store, run.job.inputs))


def base_models(store: Store, inputs: Mapping[str, ArtifactRef]) -> dict[str, ArtifactRef]:
    """The base models whose scores are among a stage's inputs, by number and in its order."""
    numbers = [role.removeprefix("base_") for role in inputs if re.fullmatch(r"base_\d+", role)]
    return {
        number: store.require(inputs[f"base_{number}"]).inputs["model"]
        for number in sorted(numbers, key=int)
    }


def all_scores(run: ShardRun, role: str) -> dict[str, NDArray[np.float64]]:
    """The scores of a system under its settings, (G, N) by split."""
    readers = run.readers(role)
    return {split: read_scores(readers[split]) for split in SPLITS if split in readers}


def only_scores(run: ShardRun, role: str) -> dict[str, NDArray[np.float64]]:
    """The scores of a system that has one setting, (N,) by split."""
    return {split: scores_1N[0] for split, scores_1N in all_scores(run, role).items()}
