"""An audit of documents that the models wrote themselves, against real greedy generation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import JsonValue

from memdec_core.decoding.decoders import (
    Decoder,
    MixtureDecoder,
    TransformerDecoder,
    generate,
)
from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from storage.formats.position_columns import write_scores
from storage.formats.row_tables import MEMORISED, RESULTS
from storage.formats.token_shards import write_token_shard
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.compared.audit_memorisation import audit_shard
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.jobs import make_job
from tests.support.scored_text import make_model, publish_model
from tests.support.tiny_models import tiny_tokenizer

REF = ArtifactRef(stage="memorisation_audit", fingerprint="5" * 32)
PROMPT, CONTINUATION, ALPHA = 6, 10, 0.7
AUDIT: dict[str, JsonValue] = {
    "prompt_tokens": PROMPT,
    "continuation_tokens": CONTINUATION,
    "spans": 100,
}
BASE, MEMORY = (TransformerLM(make_model(seed), 400) for seed in (1, 2))
GRID: dict[str, JsonValue] = {"alphas": [0.0, ALPHA], "refine_alpha": False}
DECODERS: dict[str, Callable[[], Decoder]] = {
    "base": lambda: TransformerDecoder(BASE),
    "memory_alone": lambda: TransformerDecoder(MEMORY),
    "memory": lambda: MixtureDecoder(TransformerDecoder(BASE), TransformerDecoder(MEMORY), ALPHA),
}
TOO_SHORT = [7] * (PROMPT + CONTINUATION - 1)
Documents = dict[str, list[list[int]]]


def greedy(system: str, prompt: list[int]) -> list[int]:
    return list(generate(DECODERS[system](), prompt, CONTINUATION, stop_tokens=()))


def make_documents() -> Documents:
    """Documents of one span: some written by a system up to some token, the rest random."""
    rng = np.random.default_rng(4)
    documents: Documents = {"train": [], "valid": [TOO_SHORT], "test": [TOO_SHORT]}
    for split, authors in {"train": ("base", "memory_alone", "memory"), "test": ("base",)}.items():
        for author in authors:
            for own in range(CONTINUATION + 1):
                prompt = rng.integers(1, 400, PROMPT).tolist()
                rest = rng.integers(1, 400, CONTINUATION - own).tolist()
                documents[split] += [prompt + greedy(author, prompt)[:own] + rest, TOO_SHORT]
    return documents


DOCUMENTS = make_documents()


def publish_tokens(store: Store, documents: Documents) -> ArtifactRef:
    def fill(split: str) -> Fill:
        texts = documents[split]
        names = [f"{split}/{number}" for number in range(len(texts))]
        lengths = np.array([len(text) for text in texts])
        tokens = np.concatenate(texts).astype(np.uint16)
        return lambda folder: write_token_shard(as_shard(folder), names, tokens, lengths)

    return publish(store, "tokens", {f"{split}-00000": (fill(split), {}) for split in documents})


def publish_scores(store: Store, model: str, log_prob: float) -> ArtifactRef:
    """Scores under which the memory is better, so that the only weight tried above 0 is taken."""
    fill = lambda folder: write_scores(as_shard(folder), np.full((1, 3), log_prob))  # noqa: E731
    return publish(store, "scores", {"valid": (fill, {})}, {"scores_of": model})


def audit(
    store: Store, documents: Documents = DOCUMENTS, memory_gb: float = 2, **changes: int
) -> tuple[ShardRun, dict[str, Any]]:
    inputs = {
        "tokens": publish_tokens(store, documents),
        "base": publish_model(store, 1),
        "memory": publish_model(store, 2, stage="memory"),
        "base_scores": publish_scores(store, "base", -2.0),
        "memory_scores": publish_scores(store, "memory", -1.0),
    }
    config: dict[str, JsonValue] = {"audit": AUDIT | changes, "scoring": {}, "alpha": GRID}
    writer = store.writer(REF, "all", "a" * 32)
    fractions: list[float] = []
    run = ShardRun(
        make_job(REF, config, inputs),
        "all",
        RunSettings(device="cpu", memory_gb=memory_gb),
        store,
        writer,
        lambda fraction, _note: fractions.append(fraction),
    )
    figures = audit_shard(run)
    writer.commit(figures, seconds=1, peak_memory_bytes=1)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    return run, figures


def plain_runs(system: str, documents: list[list[int]]) -> dict[int, int]:
    """Tokens of each document's continuation that are generated before the first other one."""
    runs = {}
    for number, document in enumerate(documents):
        if document != TOO_SHORT:
            text = greedy(system, document[:PROMPT])
            right = [a == b for a, b in zip(text, document[PROMPT:], strict=True)]
            runs[number] = [*right, False].index(False)
    return runs


@pytest.mark.parametrize("memory_gb", [2, 0.001])
def test_the_table_counts_what_is_really_generated(store: Store, memory_gb: float) -> None:
    _run, figures = audit(store, memory_gb=memory_gb)
    rows = RESULTS.read(store.readers(REF)["all"])
    table = {(r["split"], r["system"], r["metric"]): r for r in rows}
    assert len(table) == len(rows) == 2 * 3 * 3
    for split in ("train", "test"):
        for system in DECODERS:
            runs = np.array([*plain_runs(system, DOCUMENTS[split]).values()])
            expected = {
                "verbatim_share": (runs == CONTINUATION).mean(),
                "verbatim_tokens": runs.mean(),
                "verbatim_longest": runs.max(),
            }
            for metric, value in expected.items():
                row = table[split, system, metric]
                assert row["value"] == pytest.approx(value)
                assert row["n"] == len(runs) == figures[split]["spans"]
                assert figures[split][f"{system}_{metric}"] == row["value"]
                assert str(row["base"]).startswith("gpt2-")
    shares = [table["train", system, "verbatim_share"]["value"] for system in DECODERS]
    assert 0 < min(shares) < max(shares) < 1  # type: ignore[operator, type-var]
    assert table["test", "memory_alone", "verbatim_share"]["value"] == 0


def test_examples_are_the_longest_texts_that_the_memory_reproduces(store: Store) -> None:
    audit(store)
    examples = MEMORISED.read(store.readers(REF)["all"])
    texts, tokenizer = DOCUMENTS["train"], tiny_tokenizer()
    memory, base = (plain_runs(system, texts) for system in ("memory_alone", "base"))
    longest = sorted(memory, key=lambda number: (-memory[number], number))
    expected = [number for number in longest if memory[number]][:20]
    assert [example["document"] for example in examples] == [f"train/{n}" for n in expected]
    for example, number in zip(examples, expected, strict=True):
        reproduced = texts[number][PROMPT : PROMPT + memory[number]]
        assert example["text"] == tokenizer.decode(reproduced)
        assert example["prompt"] == tokenizer.decode(texts[number][:PROMPT])
        assert (example["tokens"], example["base_tokens"]) == (memory[number], base[number])
        assert example["token_offset"] == PROMPT
        assert example["character_offset"] == len(example["prompt"].rstrip("\ufffd"))


def test_the_same_audit_leaves_the_same_bytes(store: Store, tmp_path: Path) -> None:
    other = Store.open(str(tmp_path / "other"))
    folders = [audit(each, spans=9)[0].writer.folder for each in (store, other)]
    for name in ("results.parquet", "examples.parquet"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_without_a_span_in_the_test_split_there_is_no_control(store: Store) -> None:
    for number, test in enumerate(([TOO_SHORT], None)):
        documents = {"train": DOCUMENTS["train"]} | ({"test": test} if test else {})
        _run, figures = audit(Store.open(f"{store.url}/{number}"), documents, spans=3)
        assert list(figures) == ["train"]


def test_training_documents_shorter_than_a_span_are_the_users_mistake(store: Store) -> None:
    with pytest.raises(UserError, match=r"no document of the train split has the 16 tokens"):
        audit(store, DOCUMENTS | {"train": [TOO_SHORT]})


def test_a_span_longer_than_a_model_reads_is_the_users_mistake(store: Store) -> None:
    documents = DOCUMENTS | {"train": [[5] * 300]}
    message = r"258 tokens does not fit the base, .* at most 256; lower its prompt_tokens"
    with pytest.raises(UserError, match=message):
        audit(store, documents, prompt_tokens=248)


def test_a_span_as_long_as_a_model_reads_fits(store: Store) -> None:
    documents = DOCUMENTS | {"train": [[5] * 300]}
    assert audit(store, documents, prompt_tokens=247)[1]["train"]["spans"] == 1
