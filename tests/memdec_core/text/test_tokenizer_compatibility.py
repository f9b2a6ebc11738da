"""What tokenizers of one family share, and why others share nothing."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import MixtureLM
from memdec_core.text.tokenizer_compatibility import (
    Compatibility,
    compare_tokenizers,
    shared_vocab_size,
)
from tests.support.tiny_models import tiny_model, tiny_sentencepiece_tokenizer, tiny_tokenizer
from tests.support.tokenizer_family import MARKERS, longer_tokenizer

SHORT = tiny_tokenizer()
LONG = longer_tokenizer()


def changed(
    tokenizer: PreTrainedTokenizerFast, change: Callable[[dict[str, Any]], object]
) -> PreTrainedTokenizerFast:
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    change(state)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        eos_token="<|endoftext|>",
        bos_token="<|endoftext|>",
    )


def test_equal_tokenizers_share_everything_without_a_note() -> None:
    assert compare_tokenizers(SHORT, tiny_tokenizer()) == Compatibility(400, None, ())
    assert compare_tokenizers(LONG, longer_tokenizer()) == Compatibility(410, None, ())


def test_further_added_tokens_leave_the_ids_below_them_shared() -> None:
    note = (
        "tokenizer has 10 added tokens past the 400 shared ids, such as '<|im_start|>', "
        "'<|im_end|>', '<tool_0>'; they get no probability in a mixture"
    )
    assert compare_tokenizers(SHORT, LONG) == Compatibility(400, None, (f"the second {note}",))
    assert compare_tokenizers(LONG, SHORT) == Compatibility(400, None, (f"the first {note}",))
    assert shared_vocab_size(SHORT, LONG) == 400


def test_different_added_tokens_end_what_is_shared() -> None:
    other = longer_tokenizer([*MARKERS[:3], "<other>"])
    size, difference, notes = compare_tokenizers(LONG, other)
    assert (size, difference) == (403, None)
    assert [re.findall(r"the (\w+) tokenizer has (\d+)", note) for note in notes] == [
        [("first", "7")],
        [("second", "1")],
    ]


def test_an_added_token_that_is_declared_otherwise_ends_what_is_shared() -> None:
    def strip(state: dict[str, Any]) -> None:
        (token,) = (t for t in state["added_tokens"] if t["content"] == "<tool_3>")
        token["lstrip"] = True

    assert compare_tokenizers(LONG, changed(LONG, strip))[:2] == (405, None)


@given(texts=st.lists(st.text(max_size=30), max_size=4), markers=st.lists(st.sampled_from(MARKERS)))
@settings(max_examples=60, deadline=None)
def test_text_without_a_further_token_becomes_the_same_shared_ids(
    texts: list[str], markers: list[str]
) -> None:
    plain = "".join(texts)
    short, long = (t(plain, add_special_tokens=False)["input_ids"] for t in (SHORT, LONG))
    assert short == long
    assert all(token < 400 for token in short)
    spelled = plain + "".join(markers)
    assert max(SHORT(spelled, add_special_tokens=False)["input_ids"], default=0) < 400
    long = LONG(spelled, add_special_tokens=False)["input_ids"]
    assert sum(token >= 400 for token in long) == len(markers)


def swap_two_ids(state: dict[str, Any]) -> None:
    vocab = state["model"]["vocab"]
    vocab["a"], vocab["b"] = vocab["b"], vocab["a"]


def swap_two_merges(state: dict[str, Any]) -> None:
    merges = state["model"]["merges"]
    merges[0], merges[-1] = merges[-1], merges[0]


def learn_a_piece(state: dict[str, Any]) -> None:
    """One more merge, whose piece has the id of the first added token; these move up."""
    vocab, merges = state["model"]["vocab"], state["model"]["merges"]
    for token in state["added_tokens"]:
        token["id"] += token["id"] >= 400
    vocab["zz"] = 400
    merges.append(["z", "z"])


INCOMPATIBLE = [
    (swap_two_ids, r"2 tokens have other ids|vocabularies differ"),
    (swap_two_merges, "the merges differ from rank 0 on"),
    (lambda state: state["model"]["merges"].pop(), "143 merges, the second 142"),
    (learn_a_piece, r"vocabularies differ \(400 and 411 tokens\)"),
    (lambda s: s["added_tokens"][0].update(lstrip=True), "vocabularies differ|declared differ"),
    (lambda s: s.update(normalizer={"type": "Lowercase"}), "the normalizers differ: null in the f"),
    (lambda s: s["pre_tokenizer"].update(add_prefix_space=True), "the pre_tokenizers differ"),
    (lambda s: s["model"].update(ignore_merges=True), "differ in `ignore_merges`: False in"),
]


@pytest.mark.parametrize(("change", "words"), INCOMPATIBLE)
def test_a_difference_in_the_shared_part_is_none_that_can_be_cut_off(
    change: Callable[[dict[str, Any]], object], words: str
) -> None:
    size, difference, notes = compare_tokenizers(SHORT, changed(LONG, change))
    assert (size, notes) == (0, ())
    assert difference is not None
    assert re.search(words, difference), difference


def test_an_unset_prefix_is_the_same_as_an_empty_one() -> None:
    other = changed(LONG, lambda state: state["model"].update(continuing_subword_prefix=""))
    assert compare_tokenizers(SHORT, other).shared_vocab_size == 400


@pytest.mark.parametrize("word", ["claimant", "->", "12", " the ", "=="])
def test_an_added_word_or_sign_is_ordinary_text(word: str) -> None:
    difference = compare_tokenizers(SHORT, longer_tokenizer([*MARKERS, word])).difference
    assert difference is not None
    assert "1 tokens that were added to the second tokenizer past the shared 400 ids" in difference
    assert repr(word) in difference


def test_a_word_is_ordinary_text_even_if_it_is_called_special() -> None:
    difference = compare_tokenizers(longer_tokenizer(["claimant"]), SHORT).difference
    assert difference is not None
    assert "added to the first tokenizer past the shared 400 ids are ordinary text" in difference


def test_an_end_of_sequence_past_the_shared_ids_is_said_with_its_id() -> None:
    chat = longer_tokenizer(eos_token="<|im_end|>")
    assert compare_tokenizers(SHORT, chat).difference == (
        "the second tokenizer ends a sequence with '<|im_end|>' (id 401), but the two agree only "
        "on the ids below 400."
    )
    explained = compare_tokenizers(longer_tokenizer(["<a>"]), longer_tokenizer(["<b>"], "<b>"))
    assert "the second tokenizer ends a sequence with '<b>' (id 400)" in str(explained.difference)


def test_another_end_of_sequence_among_the_shared_ids_is_a_difference_too() -> None:
    chat = longer_tokenizer(eos_token="<|im_end|>")
    assert compare_tokenizers(LONG, chat).difference == (
        "the eos_token is '<|endoftext|>' in the first and '<|im_end|>' in the second tokenizer."
    )


def test_another_family_shares_nothing() -> None:
    assert compare_tokenizers(SHORT, tiny_sentencepiece_tokenizer()).shared_vocab_size == 0
    with pytest.raises(UserError, match=r"the vocabularies differ .*models of one family"):
        shared_vocab_size(SHORT, tiny_sentencepiece_tokenizer())


def cut_probabilities(model: PreTrainedModel, tokens_BT: torch.Tensor, size: int) -> np.ndarray:
    with torch.no_grad():
        logits = model(input_ids=tokens_BT).logits[..., :size].double().numpy()
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(("base", "padded"), [(SHORT, 448), (LONG, 512)])
def test_both_members_of_a_family_are_mixed_with_one_memory(
    base: PreTrainedTokenizerFast, padded: int
) -> None:
    base_model = tiny_model("qwen2", seed=1, vocab_size=padded)
    memory_model = tiny_model("qwen2", seed=2, vocab_size=512, layers=1)
    size = min(shared_vocab_size(LONG, tokenizer) for tokenizer in (SHORT, LONG))
    text = "The memory of a small model <tool_3> reads"
    tokens_BT = torch.tensor([SHORT(text, add_special_tokens=False)["input_ids"]])
    mixture = MixtureLM(TransformerLM(base_model, size), TransformerLM(memory_model, size), 0.6)
    log_probs = mixture.log_probs(tokens_BT).double().numpy()
    expected = 0.6 * cut_probabilities(memory_model, tokens_BT, size) + 0.4 * cut_probabilities(
        base_model, tokens_BT, size
    )
    assert log_probs.shape[-1] == 400
    np.testing.assert_allclose(np.exp(log_probs), expected, rtol=2e-5)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1, rtol=1e-5)
    assert base_model.get_input_embeddings().weight.shape[0] == padded, "never resized"
