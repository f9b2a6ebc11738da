"""Models whose tokenizers differ in length, over what they share: scores, texts, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue

from memdec_core.downstream.downstream_config import DownstreamConfig
from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import MixtureLM
from storage.formats.position_columns import read_scores
from storage.formats.token_shards import write_token_shard
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.run_history import record_run
from tasks.identity.corpus_identity import downstream_identity
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages import score_model
from tasks.stages.compared import score_choices, score_retrieval
from tasks.use.opened_models import open_pair
from tasks.use.stored_system import StoredSystem, open_system
from tests.oracles.perplexity_oracle import sliding_window_log_probs
from tests.support.artifacts import as_shard, publish
from tests.support.jobs import make_job
from tests.support.scored_text import WINDOWS, documents, publish_tokens
from tests.support.tiny_models import tiny_model, tiny_model_folder, tiny_tokenizer
from tests.support.tokenizer_family import longer_tokenizer

CUT: dict[str, JsonValue] = {"vocabulary": {"size": 400}}
SECTIONS: dict[str, JsonValue] = {"scoring": {}, "windows": WINDOWS}
LENGTHS = {"short": 448, "long": 512}
"""Padded vocabularies of the two kinds of models."""


def save_model(folder: Path, kind: str, seed: int) -> None:
    tiny_model("qwen2", seed=seed, vocab_size=LENGTHS[kind]).save_pretrained(folder)
    tokenizer = tiny_tokenizer() if kind == "short" else longer_tokenizer()
    tokenizer.save_pretrained(folder)


def publish_member(store: Store, kind: str, seed: int, stage: str = "base_model") -> ArtifactRef:
    shard = (lambda folder: save_model(folder, kind, seed), {})
    return publish(store, stage, {"all": shard}, {"kind": kind, "seed": seed})


def run_of(
    store: Store, stage: str, shard: str, config: dict[str, JsonValue], inputs: dict
) -> ShardRun:
    ref = ArtifactRef(stage=stage, fingerprint="6" * 32)
    job = make_job(ref, config, inputs)
    writer = store.writer(ref, shard, "a" * 32)
    return ShardRun(job, shard, RunSettings(device="cpu"), store, writer, lambda *_: None)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_longer_model_is_scored_over_the_shared_ids_alone(store: Store, split: str) -> None:
    inputs = {"tokens": publish_tokens(store), "model": publish_member(store, "long", 3)}
    run = run_of(store, "scores", split, SECTIONS | CUT, inputs)
    run.writer.commit(score_model.score_shard(run), seconds=1, peak_memory_bytes=1)
    (scores_N,) = read_scores(store.readers(run.job.ref)[split])
    model = tiny_model("qwen2", seed=3, vocab_size=512)
    expected, uncut = (
        np.concatenate(
            [sliding_window_log_probs(model, text, 16, 8, size) for text in documents(split)]
        )
        for size in (400, 410)
    )
    np.testing.assert_allclose(scores_N, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(expected - uncut).min() > 1e-3, "the ten ids would have had their share"


def test_scores_over_ids_that_the_tokens_do_not_share_are_not_made(store: Store) -> None:
    inputs = {"tokens": publish_tokens(store), "model": publish_member(store, "long", 3)}
    with pytest.raises(AssertionError, match="the plan cuts what the models do not share"):
        score_model.score_shard(run_of(store, "scores", "valid", SECTIONS, inputs))


def publish_spelled(store: Store, unknown: int) -> ArtifactRef:
    """Tokens of a longer tokenizer; the second valid document spells out one of its own."""

    def fill(tokens: list[int]) -> tuple:
        ids = np.array(tokens, np.uint16)
        return (
            lambda folder: write_token_shard(as_shard(folder), ["a", "b"], ids, np.array([4, 6])),
            {},
        )

    shards = {
        "train-00000": fill([5, 6, 7, 8, 9, unknown, 8, 7, 6, 5]),
        "valid-00000": fill([5, 6, 7, 8, 9, 8, unknown, 7, 6, 5]),
    }
    return publish(store, "tokens", shards, inputs={"base_model": publish_member(store, "long", 0)})


@pytest.mark.parametrize("kind", ["short", "long"])
def test_a_text_with_a_token_that_not_all_have_is_refused(store: Store, kind: str) -> None:
    inputs = {"tokens": publish_spelled(store, 405), "model": publish_member(store, kind, 3)}
    message = r"document 2 of the valid split .*\(id 405\) .*below 400; take such text out"
    retrieval: dict[str, JsonValue] = {"retrieval": {"passage_tokens": 4, "query_tokens": 2}}
    with pytest.raises(UserError, match=message):
        score_model.score_shard(run_of(store, "scores", "valid", SECTIONS | CUT, inputs))
    with pytest.raises(UserError, match=message):
        score_retrieval.score_shard(
            run_of(store, "scores", "valid", SECTIONS | CUT | retrieval, inputs)
        )


def test_the_same_text_is_scored_where_all_models_have_its_tokens(store: Store) -> None:
    inputs = {"tokens": publish_spelled(store, 405), "model": publish_member(store, "long", 3)}
    figures = score_model.score_shard(run_of(store, "scores", "valid", SECTIONS, inputs))
    assert figures["positions"] == 8


@pytest.mark.parametrize("kind", ["short", "long"])
def test_choices_are_scored_over_the_shared_ids_or_refused(
    store: Store, tmp_path: Path, kind: str
) -> None:
    rows = [{"text": f"it is {n}", "label": n % 2} for n in range(8)]
    path = tmp_path / "mr.jsonl"

    def figures(further: str) -> dict[str, JsonValue]:
        spelled = [*rows, {"text": f"it is {further}", "label": 0}]
        path.write_text("\n".join(json.dumps(row) for row in spelled))
        config = DownstreamConfig.model_validate({"tasks": {"mr": str(path)}})
        sections: dict[str, JsonValue] = {"downstream": config.model_dump(mode="json")} | CUT
        run = run_of(
            store, "choice_scores", "mr", sections, {"model": publish_member(store, kind, 3)}
        )
        identity: dict[str, JsonValue] = {"downstream": downstream_identity(config)}
        job = run.job.model_copy(update={"identity": identity})
        return score_choices.score_shard(
            ShardRun(job, "mr", run.settings, store, run.writer, run.report)
        )

    assert figures("so")["records"] == 9
    if kind == "short":
        assert figures("<tool_3>")["records"] == 9, "to it the word is text like any other"
    else:
        with pytest.raises(UserError, match=r"tasks\.mr: .*\(id 405\).*below 400; take such text"):
            figures("<tool_3>")


def oracle_probabilities(kind: str, seed: int, tokens: list[int]) -> torch.Tensor:
    """What a model says after the last token, float64 over 400 ids."""
    model = tiny_model("qwen2", seed=seed, vocab_size=LENGTHS[kind])
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens])).logits[0, -1, :400].double().softmax(-1)


@pytest.mark.parametrize(("base", "memory"), [("long", "short"), ("short", "long")])
def test_a_pair_reads_a_spelled_out_token_as_text_and_mixes_over_the_shared_ids(
    tmp_path: Path, base: str, memory: str
) -> None:
    save_model(tmp_path / "base", base, 1)
    save_model(tmp_path / "memory", memory, 2)
    base_lm, memory_lm, ids = open_pair(tmp_path / "base", tmp_path / "memory", torch.device("cpu"))
    tokens = ids.tokenizer("The memory <tool_3> reads", add_special_tokens=False)["input_ids"]
    ids.check(tokens)
    mixture = MixtureLM(base_lm, memory_lm, 0.6)
    log_probs_V = mixture.log_probs(torch.tensor([tokens]))[0, -1]
    one, other = (
        oracle_probabilities(kind, seed, tokens) for kind, seed in ((base, 1), (memory, 2))
    )
    torch.testing.assert_close(log_probs_V.double().exp(), 0.4 * one + 0.6 * other)


def test_a_prompt_that_neither_tokenizer_reads_as_shared_ids_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "base", "long", 1)
    save_model(tmp_path / "memory", "long", 2)
    longer_tokenizer(["<other>", "<tool_3>"]).save_pretrained(tmp_path / "memory")
    base_lm, memory_lm, ids = open_pair(tmp_path / "base", tmp_path / "memory", torch.device("cpu"))
    assert base_lm.vocab_size == memory_lm.vocab_size == 400
    tokens = ids.tokenizer("a <tool_3>", add_special_tokens=False)["input_ids"]
    with pytest.raises(UserError, match=r"\(id 401\) .*share only the ids below 400; leave it out"):
        ids.check(tokens)


def test_a_memory_of_another_family_is_refused(tmp_path: Path) -> None:
    one = tiny_model_folder(tmp_path, name="one")
    other = tiny_model_folder(tmp_path, name="other", vocab_size=300)
    with pytest.raises(UserError, match="tokenizers of the two models differ: the vocabularies"):
        open_pair(one, other, torch.device("cpu"))


@pytest.mark.parametrize("system", ["base", "memory"])
def test_a_stored_system_has_the_shared_ids_alone_or_with_its_memory(
    store: Store, system: str
) -> None:
    base = publish_member(store, "long", 1)
    scores = publish(store, "scores", {"valid": (lambda _folder: None, {})}, {}, {"model": base})
    inputs = {"memory": publish_member(store, "short", 2, stage="memory"), "base_0": scores}
    shard = {"all": (lambda _folder: None, {})}
    evaluation = publish(store, "evaluation", shard, {}, inputs)
    record_run(store, "law", None, [evaluation])
    wanted = StoredSystem.model_validate(
        {"pipeline": "law", "store": store.url, "system": system, "alpha": 0.5, "device": "cpu"}
    )
    lm, tokenizer = open_system(wanted)
    assert lm.vocab_size == len(tokenizer) == 400
    log_probs_TV = lm.log_probs(torch.arange(5)[None])[0].double()
    torch.testing.assert_close(log_probs_TV.exp().sum(-1), torch.ones(5, dtype=torch.float64))
    assert isinstance(lm, TransformerLM) == (system == "base")
