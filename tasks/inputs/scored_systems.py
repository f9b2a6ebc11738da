"""What a table is made from: the bases and the scores among a stage's inputs."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from memdec_core.models.model_loading import describe_model
from memdec_core.scoring.alpha_search import search_alpha
from memdec_core.scoring.result_row import TUNING_SPLIT
from memdec_core.scoring.system_name import KINDS, SystemName
from storage.formats.position_columns import read_scores
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
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
    readers = run.readers(role)
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


Role = TypeVar("Role", bound=Hashable)


def name_bases(store: Store, refs: Mapping[Role, ArtifactRef]) -> dict[Role, str]:
    """Names that a person recognises: a hub id, or kind and size; never two the same.

    Args:
        store: Where the models are.
        refs: Base models by role or number.

    Returns:
        Names by the same.
    """
    names: dict[Role, str] = {}
    for role, ref in refs.items():
        hub_model = store.require(ref).config.get("hub_model")
        model = describe_model(store.only(ref).folder())
        name = str(hub_model or f"{model['architecture']}-{_size(model['parameters'])}")
        names[role] = f"{name}-{ref.fingerprint[:6]}" if name in names.values() else name
    return names


def _size(parameters: object) -> str:
    assert isinstance(parameters, int)
    for unit, factor in (("B", 10**9), ("M", 10**6)):
        if parameters >= factor:
            return f"{parameters / factor:.3g}{unit}"
    return f"{parameters / 1000:.3g}k"


class AlphaConfig(BaseModel):
    """Weights of the memory to try, as in the section `evaluation`."""

    alphas: tuple[float, ...]
    refine_alpha: bool


def tuned_alpha(run: ShardRun) -> float:
    """The weight that does best on validation.

    Args:
        run: Config section `alpha`; inputs base_scores and memory_scores.
    """
    grid = run.config(AlphaConfig)
    base, memory = (only_scores(run, f"{role}_scores")[TUNING_SPLIT] for role in ("base", "memory"))
    return search_alpha(base, memory, grid.alphas, refine=grid.refine_alpha).alpha
