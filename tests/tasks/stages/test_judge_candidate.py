"""The gate on random scores: every ratio against NumPy, and what keeps a build back."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import JsonValue

from storage.formats.position_columns import write_scores
from storage.formats.row_tables import CHECKS, RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.judge_candidate import judge_shard
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.jobs import make_job
from tests.support.scored_text import POSITIONS, WINDOWS, publish_model, publish_tokens

ALPHAS = 0.0, 0.25, 0.5, 0.75, 1.0
MEMORIES = {"new": "memory_scores", "old": "production_scores"}
CORPORA = "", "previous_text:", "general:"
Shifts = Mapping[str, float]


def log_probs(role: str, split: str, shift: float) -> NDArray[np.float64]:
    rng = np.random.default_rng([*f"{role}/{split}".encode()])
    scores = np.log(rng.uniform(0.05, 1, POSITIONS[split])) - 1 - shift
    return scores.astype(np.float32).astype(np.float64)


def fill_evaluation(kl: float) -> Fill:
    row: dict[str, str | float | int | None] = {
        "system": "memory_alone", "base": None, "split": "valid", "metric": "kl", "value": kl,
        "ci_low": kl - 0.1, "ci_high": kl + 0.1, "n": 9,
    }  # fmt: skip
    return lambda folder: RESULTS.write(as_shard(folder), [row])


def gate_of(
    store: Store,
    shifts: Shifts | None = None,
    *,
    kl: float = 1.0,
    production: bool = True,
    **limits: JsonValue,
) -> ShardRun:
    """A gate over published scores; those of a role in `shifts` are so much lower (nats)."""
    shifts = shifts or {}
    base, tokens = publish_model(store, 1), publish_tokens(store)
    nothing = {"all": (lambda _folder: None, {})}
    inputs = {"tokens": tokens, "evaluation": evaluation(store, "new", kl)}
    config: dict[str, JsonValue] = {"targets": {"max_total_variation": 0.01}}
    inputs["targets"] = publish(store, "targets", nothing, config)
    if production:
        inputs["production_evaluation"] = evaluation(store, "old", 1.0)
    for corpus in CORPORA if production else ("", "general:"):
        inputs[f"{corpus}tokens"] = tokens
        for role in ("base_0", "memory_scores", "production_scores")[: 3 if production else 2]:
            name = f"{corpus}{role}"
            inputs[name] = publish_scores(store, base, name, shifts.get(name, 0.0))
    ref = ArtifactRef(stage="promotion_gate", fingerprint="d" * 32)
    sections: dict[str, JsonValue] = {
        "promotion": {"max_forgetting": 2.0, "min_documents": 2, "min_tokens": 76} | limits,
        "evaluation": {"alphas": [*ALPHAS], "bootstrap_samples": 50},
        "windows": WINDOWS,
    }
    return ShardRun(
        make_job(ref, sections, inputs),
        "all",
        RunSettings(device="cpu"),
        store,
        store.writer(ref, "all", "a" * 32),
        lambda _fraction, _note: None,
    )


def evaluation(store: Store, name: str, kl: float) -> ArtifactRef:
    return publish(store, "evaluation", {"all": (fill_evaluation(kl), {})}, {"name": name})


def publish_scores(store: Store, base: ArtifactRef, name: str, shift: float) -> ArtifactRef:
    def fill(split: str) -> Fill:
        return lambda folder: write_scores(as_shard(folder), log_probs(name, split, shift)[None])

    shards = {split: (fill(split), {}) for split in POSITIONS}
    return publish(store, "scores", shards, {"name": name}, {"model": base})


def judged(run: ShardRun) -> tuple[dict[str, JsonValue], dict[str, dict[str, JsonValue]], str]:
    """The figures, the checks by name, and the page."""
    figures = judge_shard(run)
    run.writer.commit(figures, seconds=1, peak_memory_bytes=1)
    reader = run.store.readers(run.job.ref)["all"]
    checks = {str(check["check"]): check for check in CHECKS.read(reader)}
    return figures, checks, reader.read("report.md").decode()


def plain_mixture(corpus: str, memory: str, tuned_on: str, split: str = "test") -> float:
    """Mean log-probability of a mixture whose α is the best of the grid on a valid split."""

    def mean(alpha: float, where: str, of_split: str) -> float:
        base, part = (
            np.exp(log_probs(f"{where}{role}", of_split, 0.0))
            for role in ("base_0", MEMORIES[memory])
        )
        return float(np.log((1 - alpha) * base + alpha * part).mean())

    alpha = max(ALPHAS, key=lambda each: mean(each, tuned_on, "valid"))
    return mean(alpha, corpus, split)


def test_every_ratio_is_that_of_a_plain_computation(store: Store) -> None:
    _, checks, page = judged(gate_of(store))
    alone = float(log_probs("base_0", "test", 0.0).mean())
    elsewhere = float(log_probs("general:base_0", "test", 0.0).mean())
    on_domain = {name: plain_mixture("", name, "") for name in MEMORIES}
    on_general = {name: plain_mixture("general:", name, "") for name in MEMORIES}
    before = "previous_text:"
    expected = {
        "test perplexity, ratio to the base alone": alone - on_domain["new"],
        "test perplexity, ratio to production": on_domain["old"] - on_domain["new"],
        "perplexity on the test text that production was built with, ratio to production":
            plain_mixture(before, "old", before) - plain_mixture(before, "new", ""),
        "perplexity on general, ratio to the base alone": elsewhere - on_general["new"],
        "perplexity on general, ratio to production": on_general["old"] - on_general["new"],
    }  # fmt: skip
    ratios = {name: check["value"] for name, check in checks.items() if "perplexity" in name}
    assert ratios == pytest.approx({name: np.exp(value) for name, value in expected.items()})
    for name in checks:
        assert name in page


@pytest.mark.parametrize(
    ("shifts", "failed"),
    [
        ({"memory_scores": 2.0}, {"test perplexity, ratio to production"}),
        (
            {"previous_text:memory_scores": 2.0},
            {"perplexity on the test text that production was built with, ratio to production"},
        ),
        (
            {"general:memory_scores": 3.0},
            {
                "perplexity on general, ratio to production",
                "perplexity on general, ratio to the base alone",
            },
        ),
    ],
)
def test_a_memory_that_lost_something_is_kept_back_and_the_page_says_where(
    store: Store, shifts: Shifts, failed: set[str]
) -> None:
    # the bases know next to nothing, so that every α is high and a loss shows in the mixture
    weak = {f"{corpus}base_0": 4.0 if corpus != "general:" else 1.0 for corpus in CORPORA}
    figures, checks, page = judged(gate_of(store, weak | shifts))
    assert {name for name, check in checks.items() if not check["passed"]} == failed
    assert figures["passed"] is False
    for name in failed:
        assert name in str(figures["why"])
    assert page.startswith("# Kept back by the promotion gate")
    assert "memdec promote PIPELINE.yaml" in page


def test_equal_memories_pass(store: Store) -> None:
    same = gate_of(store)
    for corpus in CORPORA:
        same.job.inputs[f"{corpus}production_scores"] = same.job.inputs[f"{corpus}memory_scores"]
    figures, checks, page = judged(same)
    assert figures == {"passed": True, "why": f"all {len(checks)} checks passed"}
    assert checks["test perplexity, ratio to production"]["value"] == 1
    assert page.startswith("# Passed the promotion gate")


@pytest.mark.parametrize(("kl", "passed"), [(1.29, True), (1.31, False)])
def test_a_memory_further_from_its_targets_than_production_is_kept_back(
    store: Store, kl: float, *, passed: bool
) -> None:
    _, checks, _ = judged(gate_of(store, kl=kl))
    assert checks["KL divergence of the memory from p_kNN (nats)"]["passed"] is passed


def test_the_first_build_is_compared_with_the_base_alone(store: Store) -> None:
    figures, checks, page = judged(gate_of(store, production=False))
    assert figures["passed"] is True
    assert not [name for name in checks if "production" in name or "KL" in name]
    assert "Nothing is in production yet" in page


def test_a_verdict_on_little_text_keeps_the_memory_back(store: Store) -> None:
    figures, checks, page = judged(gate_of(store, production=False, min_documents=3))
    assert {name for name, check in checks.items() if not check["passed"]} == {
        "documents of test, at least"
    }
    assert checks["documents of valid, at least"]["value"] == 4
    assert checks["predicted tokens of test, at least"]["value"] == POSITIONS["test"]
    assert figures["why"] == "documents of test, at least: 2, the limit is 3"
    assert "Documents of test, at least: 2" in page


def test_a_memory_that_the_mixture_does_not_use_is_kept_back(store: Store) -> None:
    figures, checks, _ = judged(gate_of(store, {"memory_scores": 30.0}, production=False))
    assert not figures["passed"]
    weight = checks["weight α of the memory, more than"]
    assert (weight["value"], weight["passed"]) == (0.0, False)
    assert checks["test perplexity, ratio to the base alone"]["passed"], "it does no harm"
