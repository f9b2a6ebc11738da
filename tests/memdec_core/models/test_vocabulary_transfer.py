"""A model's new embeddings and head, row by row against a plain loop."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AddedToken, PhiConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from memdec_core.models.model_loading import load_model
from memdec_core.models.models_config import Embeddings
from memdec_core.models.vocabulary_transfer import RowCounts, row_sources, transfer_vocabulary
from tests.oracles.bpe_oracle import encode_by_hand
from tests.support.tiny_models import tiny_model, tiny_sentencepiece_tokenizer, tiny_tokenizer

BYTE_LEVEL, SENTENCEPIECE = tiny_tokenizer(), tiny_sentencepiece_tokenizer()
PADDED = 448
"""Rows of the models, more than either tokenizer has ids."""


def make_model(architecture: str) -> PreTrainedModel:
    """GPT-2 has tied embeddings, Llama a head of its own, Phi a head with a bias."""
    if architecture != "phi":
        return tiny_model(architecture, vocab_size=PADDED)
    config = PhiConfig(
        vocab_size=PADDED,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=None,
    )
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    torch.nn.init.normal_(weights(model)["bias"])
    return model.eval()


def weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """What has a row per token."""
    embeddings: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    found = {"embeddings": embeddings.weight, "head": head.weight}
    return found | ({"bias": head.bias} if head.bias is not None else {})


def arrays(model: PreTrainedModel) -> dict[str, np.ndarray]:
    return {name: w.detach().double().numpy().copy() for name, w in weights(model).items()}


def body(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    vocabulary = {weight.data_ptr() for weight in weights(model).values()}
    named = model.state_dict().items()
    return {name: w.clone() for name, w in named if w.data_ptr() not in vocabulary}


def decode(tokenizer: PreTrainedTokenizerFast, token_id: int) -> str:
    return tokenizer.backend_tokenizer.decode([token_id], skip_special_tokens=False)


def expected_sources(
    old: PreTrainedTokenizerFast, new: PreTrainedTokenizerFast
) -> dict[int, list[int]]:
    """By new id, for all tokens whose text can be shown: the same text, or the pieces of it."""
    special_old, special_new = set(old.all_special_ids), set(new.all_special_ids)
    old_ids = {decode(old, i): i for i in range(len(old)) if i not in special_old}
    expected = {}
    for new_id in range(len(new)):
        text = decode(new, new_id)
        if new_id in special_new or "\ufffd" in text:
            continue
        expected[new_id] = [old_ids[text]] if text in old_ids else encode_by_hand(old, text)
    return expected


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "phi"])
@pytest.mark.parametrize(("old", "new"), [(BYTE_LEVEL, SENTENCEPIECE), (SENTENCEPIECE, BYTE_LEVEL)])
def test_rows_are_those_of_a_plain_loop_and_the_body_stays(
    architecture: str, old: PreTrainedTokenizerFast, new: PreTrainedTokenizerFast
) -> None:
    model = make_model(architecture)
    before, body_before = arrays(model), body(model)
    counts = transfer_vocabulary(model, old, new, "overlap", seed=0)

    after = arrays(model)
    expected = expected_sources(old, new)
    assert len(expected) > len(new) // 2
    for name, rows in after.items():
        assert len(rows) == len(new)
        for new_id, old_ids in expected.items():
            mean = sum(before[name][old_id] for old_id in old_ids) / len(old_ids)
            np.testing.assert_allclose(rows[new_id], mean, rtol=1e-5, atol=1e-7)
    body_after = body(model)
    assert body_after.keys() == body_before.keys()
    assert all(torch.equal(body_after[name], body_before[name]) for name in body_before)
    assert sum(counts) == len(new)
    assert counts.copied > 256


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("embeddings", ["random", "overlap"])
def test_tied_embeddings_stay_tied_and_others_apart_also_when_saved(
    tmp_path: Path, architecture: str, embeddings: Embeddings
) -> None:
    model = make_model(architecture)
    transfer_vocabulary(model, BYTE_LEVEL, SENTENCEPIECE, embeddings, seed=0)
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    for one in (model, again):
        found = weights(one)
        assert (found["embeddings"] is found["head"]) == (architecture == "gpt2")
    ids = torch.arange(20)[None]
    logits = again(ids).logits
    assert logits.shape == (1, 20, len(SENTENCEPIECE))
    assert torch.equal(logits, model(ids).logits)


def test_the_words_of_both_spellings_and_the_ends_of_text_are_matched() -> None:
    old_of = row_sources(BYTE_LEVEL, SENTENCEPIECE)
    ids, old_ids = SENTENCEPIECE.get_vocab(), BYTE_LEVEL.get_vocab()
    assert old_of.ids_W[ids["▁memory"]] == [old_ids["Ġmemory"]]
    assert old_of.ids_W[ids["<0xE6>"]] == [old_ids["æ"]]
    assert old_of.ids_W[ids["<0x61>"]] == old_of.ids_W[ids["a"]] == [old_ids["a"]]
    assert old_of.ids_W[ids["</s>"]] == old_of.ids_W[ids["<s>"]] == [0]
    assert old_of.ids_W[ids["<unk>"]] == []

    new_of = row_sources(SENTENCEPIECE, BYTE_LEVEL)
    pieces = ["▁", "c", "a", "f", "<0xC3>", "<0xA9>"]
    assert new_of.ids_W[old_ids["ĠcafÃ©"]] == [ids[piece] for piece in pieces]
    assert not new_of.copied_W[old_ids["ĠcafÃ©"]]
    assert new_of.ids_W[old_ids["a"]] == [ids["a"]]
    assert new_of.ids_W[0] == [ids["</s>"]]


def test_a_vocabulary_that_only_grows_leaves_the_old_logits_as_they_are() -> None:
    model = make_model("llama")
    before = copy.deepcopy(model)
    larger = tiny_tokenizer()
    larger.add_tokens([AddedToken("a memory", special=False)])
    counts = transfer_vocabulary(model, BYTE_LEVEL, larger, "overlap", seed=0)
    assert counts == RowCounts(copied=400, averaged=1, drawn=0)
    ids = torch.arange(30)[None]
    assert torch.equal(model(ids).logits[..., :400], before(ids).logits[..., :400])


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_random_rows_have_the_moments_of_the_old_ones_and_share_nothing(architecture: str) -> None:
    model = make_model(architecture)
    for weight in weights(model).values():
        with torch.no_grad():
            weight[:400] = weight[:400] * torch.linspace(1, 9, 32) + torch.linspace(-2, 2, 32)
    before = {name: rows[:400] for name, rows in arrays(model).items()}
    counts = transfer_vocabulary(model, BYTE_LEVEL, SENTENCEPIECE, "random", seed=0)
    assert counts == RowCounts(copied=0, averaged=0, drawn=len(SENTENCEPIECE))
    for name, rows in arrays(model).items():
        old = before[name]
        error = np.abs(rows.mean(0) - old.mean(0)) / old.std(0)
        assert error.max() < 5 / np.sqrt(len(rows))
        np.testing.assert_allclose(rows.std(0), old.std(0), rtol=0.25)
        distance = np.abs(rows[:, None] - old[None]).max(2)
        assert distance.min() > 1e-3
    if architecture == "llama":
        found = arrays(model)
        assert np.abs(found["embeddings"] - found["head"]).max() > 1e-3


def test_a_seed_decides_the_drawn_rows_and_no_others() -> None:
    made = []
    for seed in (0, 0, 1):
        model = make_model("llama")
        torch.manual_seed(len(made))  # the state of the process plays no part
        transfer_vocabulary(model, BYTE_LEVEL, SENTENCEPIECE, "overlap", seed)
        made.append(arrays(model))
    drawn = [i for i, ids in enumerate(row_sources(BYTE_LEVEL, SENTENCEPIECE).ids_W) if not ids]
    assert drawn
    for name, first in made[0].items():
        assert np.array_equal(first, made[1][name])
        same = (first == made[2][name]).all(1)
        assert list(np.flatnonzero(~same)) == drawn


@pytest.mark.parametrize("embeddings", ["random", "overlap"])
def test_rows_of_padding_are_never_used(embeddings: Embeddings) -> None:
    model = make_model("llama")
    with torch.no_grad():
        for weight in weights(model).values():
            weight[400:] = torch.nan
    transfer_vocabulary(model, BYTE_LEVEL, SENTENCEPIECE, embeddings, seed=0)
    assert all(np.isfinite(rows).all() for rows in arrays(model).values())


def test_the_model_is_told_the_new_special_ids() -> None:
    model = make_model("llama")
    model.config.pad_token_id = model.generation_config.pad_token_id = 430
    model.generation_config.eos_token_id = [400, 401]
    transfer_vocabulary(model, BYTE_LEVEL, SENTENCEPIECE, "overlap", seed=0)
    assert model.config.vocab_size == len(SENTENCEPIECE)
    for config in (model.config, model.generation_config):
        assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, None)
