"""The evaluation's table on small artifacts, against plain loops over the saved models."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue

from memdec_core.windows.windows import WindowConfig, make_windows
from storage.formats.row_tables import ALPHA_CURVE, RESULTS
from storage.formats.target_parquet import TargetBlock, write_targets
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.evaluate_systems import evaluate_shard
from tests.oracles.perplexity_oracle import dense_divergences, mixture_log_prob
from tests.support.artifacts import as_shard, publish
from tests.support.jobs import make_job
from tests.support.scored_text import (
    LENGTHS,
    POSITIONS,
    TOKENS,
    VOCABULARY,
    WINDOWS,
    plain_scores,
    publish_model,
    publish_scores,
    publish_tokens,
)
from tests.support.tiny_models import tiny_model

EVALUATION: dict[str, JsonValue] = {"alphas": [0.0, 0.3, 0.7, 1.0], "bootstrap_samples": 50}
MEMORY = 9, 400
ONE_BASE = [(1, 448)]


def fill_targets(folder: Path) -> None:
    rows = POSITIONS["valid"]
    block = TargetBlock(
        np.arange(rows + 1) * 2,
        np.tile(np.array([7, 9]), rows),
        np.tile(np.array([0.75, 0.25], np.float16), rows),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.float32),
    )
    write_targets(as_shard(folder), [block], VOCABULARY)


def evaluation_of(
    store: Store, bases: list[tuple[int, int]], evaluation: dict[str, JsonValue] = EVALUATION
) -> ShardRun:
    """An evaluation of bases given by seed and padded vocabulary."""
    memory = publish_model(store, *MEMORY, stage="memory")
    inputs = {
        "tokens": publish_tokens(store),
        "memory": memory,
        "targets": publish(store, "targets", {"valid-00000": (fill_targets, {})}),
        "memory_scores": publish_scores(store, memory, *MEMORY),
    }
    for number, base in enumerate(bases):
        inputs[f"base_{number}"] = publish_scores(store, publish_model(store, *base), *base)
    ref = ArtifactRef(stage="evaluation", fingerprint="e" * 32)
    settings = RunSettings(device="cpu")
    job = make_job(ref, {"evaluation": evaluation, "windows": WINDOWS}, inputs)
    writer = store.writer(ref, "all", "a" * 32)
    return ShardRun(job, "all", settings, store, writer, lambda _fraction, _note: None)


def published(run: ShardRun) -> tuple[dict[tuple, dict], list[dict]]:
    """The table by (system, base, split, metric), and the α curve."""
    run.writer.commit(evaluate_shard(run), seconds=1, peak_memory_bytes=1)
    reader = run.store.readers(run.job.ref)["all"]
    rows = RESULTS.read(reader)
    keys = [(row["system"], row["base"], row["split"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, rows, strict=True)), ALPHA_CURVE.read(reader)


def test_the_table_agrees_with_plain_loops_over_the_models(store: Store) -> None:
    table, curve = published(evaluation_of(store, [(1, 448), (2, 400)]))
    names = dict.fromkeys(base for _, base, _, _ in table if base)
    assert len(names) == 2
    assert list(dict.fromkeys(split for _, _, split, _ in table)) == ["valid", "test"]
    for name, (seed, padded) in zip(names, [(1, 448), (2, 400)], strict=True):
        alpha = table["memory", name, "valid", "alpha"]["value"]
        by_alpha = {row["alpha"]: row["perplexity"] for row in curve if row["base"] == name}
        assert alpha == min(by_alpha, key=by_alpha.__getitem__)
        for split in ("valid", "test"):
            base = plain_scores(seed, padded, split)
            memory = plain_scores(*MEMORY, split)
            mixed = [mixture_log_prob(b, m, alpha) for b, m in zip(base, memory, strict=True)]
            for system, scores in (("base", base), ("memory", np.array(mixed))):
                row = table[system, name, split, "perplexity"]
                assert row["value"] == pytest.approx(np.exp(-scores.mean()), rel=1e-5)
                assert row["ci_low"] <= row["value"] <= row["ci_high"]
                assert row["n"] == POSITIONS[split]
            alone = table["memory_alone", None, split, "perplexity"]["value"]
            assert alone == pytest.approx(np.exp(-memory.mean()), rel=1e-5)


def test_fidelity_is_that_of_the_memory_to_the_validation_targets(store: Store) -> None:
    table, _ = published(evaluation_of(store, ONE_BASE))
    model = tiny_model("gpt2", seed=9, width=64)
    p = np.zeros((1, VOCABULARY))
    p[0, [7, 9]] = 0.75, 0.25
    offsets = np.cumsum([0, *LENGTHS["valid"]])
    divergences = []
    for start, first, end, _row in make_windows(offsets, WindowConfig(length=16, stride=8)):
        window = torch.from_numpy(TOKENS["valid"][start:end])[None]
        with torch.no_grad():
            q = model(input_ids=window).logits[0].double().softmax(-1).numpy()
        divergences.append(dense_divergences(p, q[first - start - 1 : -1]))
    for metric, values in zip(
        ("kl", "total_variation"), zip(*divergences, strict=True), strict=True
    ):
        row = table["memory_alone", None, "valid", metric]
        assert row["value"] == pytest.approx(np.concatenate(values).mean(), rel=1e-4)
        assert row["n"] == POSITIONS["valid"]
    assert 0 <= table["memory_alone", None, "valid", "top1_agreement"]["value"] <= 1


def test_the_same_evaluation_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    files = []
    for folder in ("one", "two"):
        run = evaluation_of(Store.open(str(tmp_path / folder)), ONE_BASE)
        evaluate_shard(run)
        files.append({path.name: path.read_bytes() for path in run.writer.folder.iterdir()})
    assert files[0] == files[1]
    assert set(files[0]) == {"results.parquet", "alpha_curve.parquet", "alpha_curve.png"}


def test_fidelity_is_left_out_where_no_rows_are_asked_for(store: Store) -> None:
    run = evaluation_of(store, ONE_BASE, EVALUATION | {"fidelity_rows": 0})
    table, _ = published(run)
    assert not any(metric == "kl" for _, _, _, metric in table)
