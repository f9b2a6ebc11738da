"""The evaluation's table on small artifacts, against plain loops over the saved models."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.windows import WindowConfig, make_windows
from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from storage.result_tables import read_alpha_curve, read_results
from storage.target_parquet import TargetBlock, write_targets
from storage.token_shards import write_token_shard
from tasks.evaluate_systems import evaluate_shard
from tasks.run_settings import RunSettings
from tasks.shard_run import ShardRun
from tests.artifacts import publish
from tests.jobs import make_job
from tests.oracles_perplexity import (
    dense_divergences,
    mixture_log_prob,
    sliding_window_log_probs,
)
from tests.tiny_models import tiny_model, tiny_tokenizer

VOCABULARY = 400
LENGTHS = {"valid": [40, 1, 25, 33], "test": [28, 50]}
TOKENS = {
    split: np.random.default_rng(len(lengths)).integers(1, VOCABULARY, sum(lengths))
    for split, lengths in LENGTHS.items()
}
EVALUATION: dict[str, JsonValue] = {"alphas": [0.0, 0.3, 0.7, 1.0], "bootstrap_samples": 50}
WINDOWS: dict[str, JsonValue] = {"length": 16, "stride": 8, "scope": "document"}


def fill_model(seed: int, padded: int, tokenizer_size: int = VOCABULARY) -> Callable:
    def fill(folder: Path) -> None:
        tiny_model("gpt2", seed=seed, vocab_size=padded, width=64).save_pretrained(folder)
        tiny_tokenizer(tokenizer_size).save_pretrained(folder)

    return fill


def fill_tokens(split: str) -> Callable:
    def fill(folder: Path) -> None:
        names = [f"{split} {number}" for number in range(len(LENGTHS[split]))]
        lengths = np.array(LENGTHS[split])
        write_token_shard(folder, names, TOKENS[split].astype(np.uint16), lengths)

    return fill


def fill_targets(folder: Path) -> None:
    rows = sum(length - 1 for length in LENGTHS["valid"])
    block = TargetBlock(
        np.arange(rows + 1) * 2,
        np.tile(np.array([7, 9]), rows),
        np.tile(np.array([0.75, 0.25], np.float16), rows),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.float32),
    )
    write_targets(folder / "rows.parquet", [block], VOCABULARY)


def evaluation_of(
    store: Store, bases: list[Callable], evaluation: dict[str, JsonValue] = EVALUATION
) -> ShardRun:
    tokens = publish(store, "tokens", {f"{s}-00000": (fill_tokens(s), {}) for s in LENGTHS})
    inputs = {
        "tokens": tokens,
        "memory": publish(store, "memory", {"all": (fill_model(9, 400), {})}),
        "targets": publish(store, "targets", {"valid-00000": (fill_targets, {})}),
    }
    for number, fill in enumerate(bases):
        config: dict[str, JsonValue] = {"number": number}
        inputs[f"base_{number}"] = publish(store, "base_model", {"all": (fill, {})}, config)
    ref = ArtifactRef(stage="evaluation", fingerprint="e" * 32)
    settings = RunSettings(device="cpu")
    job = make_job(ref, {"evaluation": evaluation, "windows": WINDOWS}, inputs)
    writer = store.writer(ref, "all", "a" * 32)
    return ShardRun(job, "all", settings, store, writer, lambda _fraction, _note: None)


def published(run: ShardRun) -> tuple[dict[tuple, dict], list[dict]]:
    """The table by (system, base, split, metric), and the α curve."""
    run.writer.commit(evaluate_shard(run), seconds=1, peak_memory_bytes=1)
    reader = run.store.readers(run.job.ref)["all"]
    rows = read_results(reader)
    keys = [(row["system"], row["base"], row["split"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, rows, strict=True)), read_alpha_curve(reader)


def plain_scores(seed: int, padded: int, split: str) -> np.ndarray:
    model = tiny_model("gpt2", seed=seed, vocab_size=padded, width=64)
    documents = np.split(TOKENS[split], np.cumsum(LENGTHS[split])[:-1])
    scores = [sliding_window_log_probs(model, text, 16, 8, VOCABULARY) for text in documents]
    return np.concatenate(scores)


def test_the_table_agrees_with_plain_loops_over_the_models(store: Store) -> None:
    table, curve = published(evaluation_of(store, [fill_model(1, 448), fill_model(2, 400)]))
    names = dict.fromkeys(base for _, base, _, _ in table if base)
    assert len(names) == 2
    for name, (seed, padded) in zip(names, [(1, 448), (2, 400)], strict=True):
        alpha = table["memory", name, "valid", "alpha"]["value"]
        by_alpha = {row["alpha"]: row["perplexity"] for row in curve if row["base"] == name}
        assert alpha == min(by_alpha, key=by_alpha.__getitem__)
        for split in ("valid", "test"):
            base = plain_scores(seed, padded, split)
            memory = plain_scores(9, 400, split)
            mixed = [mixture_log_prob(b, m, alpha) for b, m in zip(base, memory, strict=True)]
            for system, scores in (("base", base), ("memory", np.array(mixed))):
                row = table[system, name, split, "perplexity"]
                assert row["value"] == pytest.approx(np.exp(-scores.mean()), rel=1e-5)
                assert row["ci_low"] <= row["value"] <= row["ci_high"]
                assert row["n"] == sum(length - 1 for length in LENGTHS[split])
            alone = table["memory_alone", None, split, "perplexity"]["value"]
            assert alone == pytest.approx(np.exp(-memory.mean()), rel=1e-5)


def test_fidelity_is_that_of_the_memory_to_the_validation_targets(store: Store) -> None:
    table, _ = published(evaluation_of(store, [fill_model(1, 448)]))
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
        assert row["n"] == sum(length - 1 for length in LENGTHS["valid"])
    assert 0 <= table["memory_alone", None, "valid", "top1_agreement"]["value"] <= 1


def test_the_same_evaluation_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    files = []
    for folder in ("one", "two"):
        run = evaluation_of(Store.open(str(tmp_path / folder)), [fill_model(1, 448)])
        evaluate_shard(run)
        files.append({path.name: path.read_bytes() for path in run.writer.folder.iterdir()})
    assert files[0] == files[1]
    assert set(files[0]) == {"results.parquet", "alpha_curve.parquet", "alpha_curve.png"}


def test_a_base_with_another_tokenizer_is_the_users_mistake(store: Store) -> None:
    run = evaluation_of(store, [fill_model(1, 400), fill_model(2, 400, tokenizer_size=380)])
    with pytest.raises(UserError, match=r"different tokenizers.*vocabularies differ"):
        evaluate_shard(run)


def test_fidelity_is_left_out_where_no_rows_are_asked_for(store: Store) -> None:
    run = evaluation_of(store, [fill_model(1, 400)], EVALUATION | {"fidelity_rows": 0})
    table, _ = published(run)
    assert not any(metric == "kl" for _, _, _, metric in table)
