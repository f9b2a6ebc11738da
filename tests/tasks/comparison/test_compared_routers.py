"""Rows of an adaptive α from published scores, features and a router, against NumPy."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memdec_core.router.router_features import FEATURES
from memdec_core.scoring.bootstrap import Bootstrap
from memdec_core.scoring.result_row import ResultRow
from storage.formats.array_files import write_router
from storage.formats.position_columns import write_features, write_routed, write_scores
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.comparison.compared_systems import routed_rows
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tests.oracles import router_oracle
from tests.oracles.perplexity_oracle import bootstrap_means
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.jobs import make_job

POSITIONS = {"valid": 30, "test": 24}
STARTS = np.array([0, 5, 11, 18])
ALPHA = 0.35
RNG = np.random.default_rng(0)
FEATURES_NF = RNG.normal(size=(POSITIONS["test"], len(FEATURES))).astype(np.float32)
WEIGHTS = {
    "means_F": np.zeros(len(FEATURES)),
    "scales_F": np.ones(len(FEATURES)),
    "linear_F": RNG.normal(size=len(FEATURES)),
    "inner_FH": np.zeros((len(FEATURES), 0)),
    "inner_H": np.zeros(0),
    "outer_H": np.zeros(0),
    "bias": np.array(0.3),
}


def uniform(role: str, split: str) -> NDArray[np.float64]:
    rng = np.random.default_rng([*f"{role}/{split}".encode()])
    return rng.uniform(0.01, 1, POSITIONS[split]).astype(np.float32).astype(np.float64)


def fill_scores(role: str, split: str) -> Fill:
    return lambda folder: write_scores(as_shard(folder), np.log(uniform(role, split))[None])


def fill_router(folder: Path) -> None:
    write_router(folder, WEIGHTS, {"features": [*FEATURES]})
    for split in POSITIONS:
        write_routed(
            as_shard(folder), split, np.log(uniform("routed", split)), uniform("weights", split)
        )


def rows(store: Store, elsewhere: bool) -> list[ResultRow]:
    roles = ["base_1", "memory", "general:base_1", "general:memory"]
    inputs = {
        role: publish(
            store, "scores", {s: (fill_scores(role, s), {}) for s in POSITIONS}, {"role": role}
        )
        for role in roles
    }
    inputs["router_1"] = publish(store, "alpha_router", {"all": (fill_router, {})})
    inputs["general:tokens"] = publish(store, "tokens", {})
    inputs["general:router_features_1"] = publish(
        store,
        "router_features",
        {"test": (lambda folder: write_features(as_shard(folder), FEATURES_NF), {})},
    )
    ref = ArtifactRef(stage="comparison", fingerprint="c" * 32)
    writer = store.writer(ref, "all", "a" * 32)
    job = make_job(ref, {}, inputs)
    run = ShardRun(job, "all", RunSettings(), store, writer, lambda _fraction, _note: None)
    bootstrap = Bootstrap(STARTS, samples=40, confidence=0.9, seed=3)
    places = dict.fromkeys([*POSITIONS, *(["general"] if elsewhere else [])], bootstrap)
    return list(routed_rows(run, 1, "gpt2", ALPHA, places))


def routed(where: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of the tokens under the routed mixture, and its weights."""
    if where != "general":
        return uniform("routed", where), uniform("weights", where)
    alphas_N = np.array([router_oracle.alpha(WEIGHTS, row_F) for row_F in FEATURES_NF])
    return mixed("general:", "test", alphas_N), alphas_N


def mixed(prefix: str, split: str, alpha: NDArray[np.float64] | float) -> NDArray[np.float64]:
    memory_N, base_N = (uniform(f"{prefix}{role}", split) for role in ("memory", "base_1"))
    return alpha * memory_N + (1 - alpha) * base_N


def test_the_gain_is_over_the_constant_and_paired_on_the_domain_and_elsewhere(
    store: Store,
) -> None:
    found = {(row.split, row.metric): row for row in rows(store, elsewhere=True)}
    assert {row.system for row in found.values()} == {"memory_router"}
    assert {row.base for row in found.values()} == {"gpt2"}
    places = {"valid": ("", "valid"), "test": ("", "test"), "general": ("general:", "test")}
    metrics = ["perplexity", "perplexity_ratio", "ratio_to_constant_alpha"]
    weights = ["alpha_mean", "alpha_low", "alpha_high"]
    assert set(found) == set(product(places, metrics + weights))
    for place, (prefix, split) in places.items():
        p_N, alphas_N = routed(place)
        base_N, constant_N = uniform(f"{prefix}base_1", split), mixed(prefix, split, ALPHA)
        ratios = (p_N, p_N / base_N, p_N / constant_N)
        for metric, ratio_N in zip(metrics, ratios, strict=True):
            row = found[place, metric]
            means = bootstrap_means(np.log(ratio_N), STARTS, samples=40, seed=3)
            ends = np.exp(-np.quantile(means, [0.95, 0.05]))
            expected = [np.exp(-np.log(ratio_N).mean()), *ends]
            assert [row.value, row.ci_low, row.ci_high] == pytest.approx(expected, rel=1e-6)
            assert row.n == POSITIONS[split]
        values = [alphas_N.mean(), *np.quantile(alphas_N, [0.1, 0.9])]
        assert [found[place, name].value for name in weights] == pytest.approx(values, rel=1e-6)


def test_without_other_corpora_only_the_domain_is_read(store: Store) -> None:
    assert {row.split for row in rows(store, elsewhere=False)} == set(POSITIONS)
