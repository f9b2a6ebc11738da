"""Explanations from artifacts that the stages built, against whole forward passes and sources."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenization import encode_documents
from storage.formats.token_shards import write_token_shard
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ManifestDraft
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob
from tasks.stages.build_embeddings import embed_shard, list_shards
from tasks.stages.build_index import index_shard
from tasks.use.explain_token import Explanation, explain_token
from tasks.use.explained_position import ExplainedPipeline
from tests.oracles.embeddings_oracle import SlowRow, full_forward_keys, slow_rows
from tests.oracles.knn_oracle import brute_neighbours, dictionary_distribution, everything
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.knn_runs import build, knn_job
from tests.support.tiny_models import TEXTS, tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
DOCUMENTS = {
    "train": [*TEXTS[:4], "naïve café models share the words that follow. " * 3],
    "valid": ["every token is predicted once"],
}
PROMPT = "what a small model reads is"
ALPHA, TAU, K = 0.4, 40.0, 25
SEEDS = {"key_model": 1, "base": 2, "memory": 3}


def encoded(split: str) -> list[list[int]]:
    (blocks,) = encode_documents(TOKENIZER, DOCUMENTS[split], TokensConfig(separator="eos"))
    parts = np.split(blocks.token_ids_T, np.cumsum(blocks.lengths_D)[:-1])
    return [part.tolist() for part in parts]


def model(role: str) -> PreTrainedModel:
    return tiny_model("gpt2", seed=SEEDS[role], width=64)


def publish_model(store: Store, role: str) -> ArtifactRef:
    def fill(folder: Path) -> None:
        model(role).save_pretrained(folder)
        TOKENIZER.save_pretrained(folder)

    return publish(store, "memory" if role == "memory" else "base_model", {"all": (fill, {})},
                   {"role": role})  # fmt: skip


def publish_tokens(store: Store) -> ArtifactRef:
    def fill(split: str) -> Fill:
        documents = encoded(split)
        ids = [f"{split}/{number}" for number in range(len(documents))]
        tokens = np.concatenate(documents).astype(np.uint16)
        return lambda folder: write_token_shard(
            as_shard(folder), ids, tokens, np.array([*map(len, documents)])
        )

    return publish(store, "tokens", {f"{split}-00000": (fill(split), {}) for split in DOCUMENTS})


def seal(store: Store, job: StageJob) -> None:
    store.seal(
        job.ref,
        ManifestDraft(
            format_version=1,
            config={},
            inputs=job.inputs,
            shards=list(store.committed(job.ref).values()),
            figures={},
            software={},
        ),
    )


def build_pipeline(store: Store, scope: str, length: int = 16) -> ExplainedPipeline:
    """Models, tokens, and a datastore of several shards with its index."""
    models = {role: publish_model(store, role) for role in SEEDS}
    windows = {"length": length, "stride": length // 2, "scope": scope}
    inputs = {"tokens": publish_tokens(store), "base_model": models["key_model"]}
    sections: dict[str, Any] = {"embeddings": {"shard_positions": 60}, "windows": windows}
    keys = knn_job("embeddings", sections, inputs)
    for shard in list_shards(keys, store):
        build(store, keys, shard, embed_shard)
    index = knn_job("index", {"index": {}}, {"embeddings": keys.ref})
    build(store, index, "all", index_shard)
    for job in (keys, index):
        seal(store, job)
    read = {"embeddings": keys.ref, "index": index.ref}
    targets = knn_job("targets", {"targets": {"k": K, "tau": TAU}}, read)
    return ExplainedPipeline(keys, targets, models["memory"], models["base"], ALPHA)


def explain(
    store: Store, scope: str, prompt: str = PROMPT, token: str | None = None, top: int = 5
) -> Explanation:
    return explain_token(store, build_pipeline(store, scope), prompt, token, top, "cpu")


@dataclass(frozen=True)
class Oracle:
    """The datastore and the prompt's neighbours by loops, the models by whole forward passes."""

    rows: list[SlowRow]
    pairs: list[tuple[float, int]]
    p_knn: dict[int, float]
    said: dict[str, torch.Tensor]


def oracle(scope: str, prompt: list[int]) -> Oracle:
    rows = slow_rows(model("key_model"), encoded("train"), 16, 8, scope)
    keys = np.stack([row.key_D for row in rows]).astype(np.float16)
    query = full_forward_keys(model("key_model"), prompt)[-1:].astype(np.float16)
    (pairs,) = brute_neighbours(query, keys, K, everything)
    p_knn = dictionary_distribution(pairs, [row.next_token for row in rows], TAU)
    said = {}
    for role in ("memory", "base"):
        with torch.no_grad():
            logits = model(role)(input_ids=torch.tensor([prompt])).logits[0, -1]
        said[role] = torch.softmax(logits.double(), dim=-1)
    said["joint"] = ALPHA * said["memory"] + (1 - ALPHA) * said["base"]
    return Oracle(rows, pairs, p_knn, said)


def ids_of(text: str) -> list[int]:
    ids: list[int] = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    return ids


@pytest.mark.parametrize("scope", ["document", "stream"])
def test_every_token_listed_has_the_probabilities_of_whole_forward_passes(
    store: Store, scope: str
) -> None:
    explanation = explain(store, scope, top=40)
    truth = oracle(scope, ids_of(PROMPT))
    shown = explanation.tokens
    assert len(shown) >= 40
    assert [s.p_joint for s in shown] == sorted((s.p_joint for s in shown), reverse=True)
    for shares in shown:
        assert shares.text == TOKENIZER.decode([shares.id])
        assert shares.p_knn == pytest.approx(truth.p_knn.get(shares.id, 0.0), rel=5e-3, abs=1e-9)
        assert shares.p_mem == pytest.approx(float(truth.said["memory"][shares.id]), rel=1e-3)
        assert shares.p_base == pytest.approx(float(truth.said["base"][shares.id]), rel=1e-3)
        assert shares.p_joint == pytest.approx(float(truth.said["joint"][shares.id]), rel=1e-3)
    assert shown[0].id == int(truth.said["joint"].argmax())
    assert max(truth.p_knn, key=lambda token: truth.p_knn[token]) in {s.id for s in shown}
    assert explanation.explained.id == int(truth.said["memory"].argmax())
    assert explanation.prompt_tokens == len(ids_of(PROMPT))
    assert (explanation.k, explanation.tau, explanation.alpha) == (K, TAU, ALPHA)


@pytest.mark.parametrize("scope", ["document", "stream"])
def test_the_neighbours_of_every_token_stand_where_their_documents_have_them(
    store: Store, scope: str
) -> None:
    pipeline, truth = build_pipeline(store, scope), oracle(scope, ids_of(PROMPT))
    starts = np.cumsum([0, *map(len, encoded("train"))])
    least = truth.pairs[0][0]
    total = math.fsum(math.exp((least - distance) / TAU) for distance, _ in truth.pairs)
    shown = 0
    for token in truth.p_knn:
        text = TOKENIZER.decode([token])
        if ids_of(text) != [token]:
            continue  # part of a character, or the end of a text
        explanation = explain_token(store, pipeline, PROMPT, text, 1000, "cpu")
        carrying = [(d, row) for d, row in truth.pairs if truth.rows[row].next_token == token]
        assert explanation.carriers == len(carrying) == len(explanation.neighbours)
        for neighbour, (distance, number) in zip(explanation.neighbours, carrying, strict=True):
            row = truth.rows[number]
            source = DOCUMENTS["train"][row.doc]
            assert neighbour.document == f"train/{row.doc}"
            assert neighbour.token_offset == row.position - starts[row.doc]
            assert source[neighbour.character_offset :].startswith(neighbour.token)
            assert neighbour.token == text
            assert neighbour.distance == pytest.approx(distance, rel=5e-3)
            weight = math.exp((least - distance) / TAU) / total
            assert neighbour.weight == pytest.approx(weight, rel=5e-3)
            before = source[: neighbour.character_offset]
            assert before.endswith(neighbour.before) or scope == "stream"
            shown += 1
        p_knn = sum(neighbour.weight for neighbour in explanation.neighbours)
        assert p_knn == pytest.approx(explanation.explained.p_knn)
        assert explanation.notes == []
    assert shown > K / 2


def test_only_the_heaviest_neighbours_are_shown_and_all_are_counted(store: Store) -> None:
    pipeline, truth = build_pipeline(store, "document"), oracle("document", ids_of(PROMPT))
    values = [truth.rows[row].next_token for _, row in truth.pairs]
    often = max(set(values), key=values.count)
    assert values.count(often) > 1
    shown = explain_token(store, pipeline, PROMPT, TOKENIZER.decode([often]), 1, "cpu")
    assert (len(shown.neighbours), shown.carriers) == (1, values.count(often))
    every = explain_token(store, pipeline, PROMPT, TOKENIZER.decode([often]), 99, "cpu")
    assert shown.neighbours == every.neighbours[:1]


def test_of_a_text_of_several_tokens_the_first_is_explained_and_it_says_so(store: Store) -> None:
    text = " model reads"
    first, *others = ids_of(text)
    assert others
    explanation = explain(store, "document", token=text)
    assert explanation.explained.id == first
    assert f"' model reads' is {1 + len(others)} tokens (" in explanation.notes[0]
    assert "the first one is explained" in explanation.notes[0]


def test_a_token_that_follows_no_neighbour_has_none_and_it_says_so(store: Store) -> None:
    explanation = explain(store, "document", token="\x07")
    assert explanation.explained.p_knn == 0
    assert (explanation.carriers, explanation.neighbours) == (0, [])
    assert "no neighbour carries the token" in explanation.notes[0]


def test_of_a_prompt_longer_than_the_windows_the_end_is_read_and_it_says_so(store: Store) -> None:
    pipeline = build_pipeline(store, "document")
    ids = ids_of(TEXTS[0])
    end = TOKENIZER.decode(ids[-15:])
    assert ids_of(end) == ids[-15:]
    long, short = (explain_token(store, pipeline, p, "e", 5, "cpu") for p in (TEXTS[0], end))
    assert long.prompt_tokens == short.prompt_tokens == 15
    assert long.notes[0].startswith(f"the prompt has {len(ids)} tokens; the last 15 were read")
    assert (long.tokens, long.neighbours) == (short.tokens, short.neighbours)


@pytest.mark.parametrize(("prompt", "token", "option"), [("", "e", "prompt"), ("e", "", "token")])
def test_an_empty_prompt_or_token_is_the_users_mistake(
    store: Store, prompt: str, token: str, option: str
) -> None:
    with pytest.raises(UserError, match=rf"--{option}: '' has no token; give at least one"):
        explain(store, "document", prompt, token)


def test_an_artifact_that_is_not_there_is_named_before_any_work(store: Store) -> None:
    pipeline = build_pipeline(store, "document")
    lost = ArtifactRef(stage="memory", fingerprint="9" * 32)
    without = ExplainedPipeline(
        pipeline.embeddings, pipeline.targets, lost, pipeline.base, pipeline.alpha
    )
    with pytest.raises(MissingArtifact, match=f"no artifact {lost}; run the pipeline"):
        explain_token(store, without, PROMPT, None, 5, "cpu")
