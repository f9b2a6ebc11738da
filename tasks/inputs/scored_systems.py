"""What a table is made from: the bases and the scores among a stage's inputs."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from memdec_core.scoring.system_name import KINDS, SystemName
from storage.formats.position_columns import read_scores
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.inputs.base_names import name_bases
from tasks.inputs.evaluated_splits import ELSEWHERE_SPLIT, EVALUATED_SPLITS
from tasks.jobs.stage_work import ShardRun

ByPlace = dict[str, NDArray[np.float64]]
"""Scores by split of the domain and by corpus beside it."""


def scored_bases(run: ShardRun) -> dict[int, str]:
    """Names of the bases by number, in the order of the configuration."""
    return name_bases(run.store, base_models(run.store, run.job.inputs))


def base_models(store: Store, inputs: Mapping[str, ArtifactRef]) -> dict[int, ArtifactRef]:
    """The base models whose scores are among a stage's inputs, by number and in its order."""
    scores = {
        name.base: inputs[name.role]
        for name in SystemName.among(inputs, "base")
        if name.base is not None and not name.corpus
    }
    return {number: store.require(scores[number]).inputs["model"] for number in sorted(scores)}


def systems_on(roles: Iterable[str], base: int) -> list[SystemName]:
    """The systems with scores on the domain: a base's own, then those mixed with every base."""
    kinds, mixed = list(KINDS), {kind for kind in KINDS if KINDS[kind].scored == "mixed"}
    found = [name for name in SystemName.among(roles) if KINDS[name.kind].scored]
    on_base = [n for n in found if not n.corpus and (n.base == base or n.kind in mixed)]
    return sorted(on_base, key=lambda name: (kinds.index(name.kind), name.variant))


def other_corpora(roles: Iterable[str]) -> list[str]:
    """Names of the corpora beside the domain whose tokens are among a stage's inputs."""
    return [name.corpus for name in SystemName.among(roles, "tokens") if name.corpus]


def all_scores(run: ShardRun, role: str) -> ByPlace:
    """The scores of a system under its settings, (G, N) by split."""
    readers = run.store.readers(run.job.inputs[role])
    return {split: read_scores(readers[split]) for split in EVALUATED_SPLITS if split in readers}


def scores_everywhere(run: ShardRun, name: SystemName) -> ByPlace:
    """As `all_scores`, and by corpus on the test splits of those beside the domain."""
    elsewhere = {corpus: name.on(corpus).role for corpus in other_corpora(run.job.inputs)}
    return all_scores(run, name.role) | {
        corpus: all_scores(run, role)[ELSEWHERE_SPLIT]
        for corpus, role in elsewhere.items()
        if role in run.job.inputs
    }


def only_setting(scores: ByPlace) -> ByPlace:
    """The scores of a system that has one setting, (N,) by place."""
    return {place: scores_1N[0] for place, scores_1N in scores.items()}


def only_scores(run: ShardRun, role: str) -> ByPlace:
    """The scores of a system that has one setting, (N,) by split."""
    return only_setting(all_scores(run, role))
