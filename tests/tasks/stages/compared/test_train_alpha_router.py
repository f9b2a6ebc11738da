"""The router's stage on made-up scores whose best weight a feature gives away."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from memdec_core.errors import UserError
from memdec_core.router.router_features import FEATURES
from storage.formats.array_files import read_router, write_router
from storage.formats.position_columns import read_routed, write_features, write_scores
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.inputs.open_datastore import open_router
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.compared.train_alpha_router import train_shard
from tests.oracles import router_oracle
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.jobs import make_job
from tests.support.scored_text import LENGTHS, POSITIONS, WINDOWS, publish_tokens

REF = ArtifactRef(stage="alpha_router", fingerprint="6" * 32)
ALPHAS = [0.0, 0.25, 0.5, 0.75, 1.0]
TELLING = FEATURES.index("memory_entropy")
FILES = ("router.safetensors", "router.json", "routed-valid.parquet", "routed-test.parquet")


def made_up(split: str) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float64]]]:
    """Features, and scores by role: the memory knows the token where its entropy is low."""
    n = POSITIONS[split]
    rng = np.random.default_rng(n)
    features_NF = rng.normal(0, 0.3, (n, len(FEATURES))).astype(np.float32)
    knows_N = rng.uniform(size=n) < 0.6
    features_NF[:, TELLING] += np.where(knows_N, -1, 1)
    scores = {
        "base_scores": np.log(rng.uniform(0.05, 0.15, n)),
        "memory_scores": np.log(np.where(knows_N, 0.6, 0.01)),
    }
    return features_NF, {
        role: s.astype(np.float32).astype(np.float64) for role, s in scores.items()
    }


def publish_all(store: Store) -> dict[str, ArtifactRef]:
    def features(split: str) -> Fill:
        return lambda folder: write_features(as_shard(folder), made_up(split)[0])

    def scores(split: str, role: str) -> Fill:
        return lambda folder: write_scores(as_shard(folder), made_up(split)[1][role][None])

    published = {
        role: publish(
            store,
            "scores",
            {split: (scores(split, role), {}) for split in LENGTHS},
            {"scores_of": role},
        )
        for role in ("base_scores", "memory_scores")
    }
    shards = {split: (features(split), {}) for split in LENGTHS}
    published["features"] = publish(store, "router_features", shards)
    return published | {"tokens": publish_tokens(store)}


def train(store: Store, **settings: float) -> tuple[ShardRun, dict[str, Any]]:
    job = make_job(
        REF,
        {
            "alpha_router": {"hidden_units": 0, "held_out": 0.4, **settings},
            "alpha": {"alphas": [*ALPHAS], "refine_alpha": False},
            "windows": WINDOWS,
        },
        publish_all(store),
    )
    writer = store.writer(REF, "all", "a" * 32)
    run = ShardRun(
        job, "all", RunSettings(device="cpu"), store, writer, lambda _fraction, _note: None
    )
    figures = train_shard(run)
    writer.commit(figures, seconds=1, peak_memory_bytes=1)
    return run, figures


def loss(split: str, alphas_N: NDArray[np.float64] | float) -> float:
    base_N, memory_N = (np.exp(scores) for scores in made_up(split)[1].values())
    return float(-np.log(alphas_N * memory_N + (1 - alphas_N) * base_N).mean())


@pytest.mark.parametrize("split", list(LENGTHS))
@pytest.mark.parametrize("hidden_units", [0, 3])
def test_scores_are_mixed_with_the_weights_of_the_stored_router(
    store: Store, split: str, hidden_units: int
) -> None:
    _run, figures = train(store, hidden_units=hidden_units)
    reader = store.readers(REF)["all"]
    arrays, _facts = read_router(reader)
    log_probs_N, alphas_N = read_routed(reader, split)
    features_NF, scores = made_up(split)
    expected_N = np.array([router_oracle.alpha(arrays, row) for row in features_NF])
    np.testing.assert_allclose(alphas_N, expected_N, rtol=1e-6)
    mixed_N = expected_N * np.exp(scores["memory_scores"])
    mixed_N += (1 - expected_N) * np.exp(scores["base_scores"])
    np.testing.assert_allclose(log_probs_N, np.log(mixed_N), rtol=1e-6)
    assert figures[split]["perplexity"] == pytest.approx(np.exp(-log_probs_N.mean()), rel=1e-6)
    named = {"alpha_mean": alphas_N.mean()}
    named |= {"alpha_low": np.quantile(alphas_N, 0.1), "alpha_high": np.quantile(alphas_N, 0.9)}
    for name, value in named.items():
        assert figures[split][name] == pytest.approx(value, rel=1e-6)


def test_it_starts_at_the_tables_constant_and_beats_it_on_unseen_text(store: Store) -> None:
    _run, figures = train(store)
    best = min(ALPHAS, key=lambda alpha: loss("valid", alpha))
    assert figures["constant_alpha"] == best
    _, alphas_N = read_routed(store.readers(REF)["all"], "test")
    assert loss("test", alphas_N) < loss("test", best) - 0.1
    assert figures["held_out_ratio"] < 1
    documents = [length - 1 for length in LENGTHS["valid"] if length > 1]
    held_out = documents[np.random.default_rng(0).permutation(3)[0]]
    assert figures["held_out_positions"] == held_out
    assert figures["fitted_positions"] == sum(documents) - held_out


def test_nothing_is_learnt_from_the_test_split(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(store)
    own = made_up

    def spoilt(split: str) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float64]]]:
        features_NF, scores = own(split)
        if split == "test":
            return -features_NF, {role: s * 3 for role, s in scores.items()}
        return features_NF, scores

    monkeypatch.setattr(f"{__name__}.made_up", spoilt)
    other = Store.open(str(tmp_path / "other"))
    train(other)
    first, second = (each.readers(REF)["all"] for each in (store, other))
    for name in FILES[:-1]:
        assert first.read(name) == second.read(name)
    assert first.read(FILES[-1]) != second.read(FILES[-1])


def test_the_same_job_leaves_the_same_bytes(store: Store, tmp_path: Path) -> None:
    other = Store.open(str(tmp_path / "other"))
    folders = [train(each, hidden_units=4)[0].writer.folder for each in (store, other)]
    for name in FILES:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_a_stored_router_is_opened_for_use(store: Store) -> None:
    train(store, hidden_units=3)
    router = open_router(store, REF)
    features_NF, _ = made_up("test")
    _, alphas_N = read_routed(store.readers(REF)["all"], "test")
    found_N = torch.sigmoid(router.logits(torch.from_numpy(features_NF)))
    np.testing.assert_allclose(found_N.numpy(), alphas_N, rtol=1e-6)


def test_a_router_of_other_features_is_refused(store: Store) -> None:
    def fill(folder: Path) -> None:
        write_router(folder, {"bias": np.array(0.0)}, {"features": ["mood"]})

    ref = publish(store, "alpha_router", {"all": (fill, {})})
    with pytest.raises(UserError, match=r"fitted on the features \['mood'\].*memdec compare"):
        open_router(store, ref)
