"""Every way in which two tokenizers can differ is found and told in words."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from memdec_core.text.tokenizer_match import explain_difference, real_vocab_size
from tests.support.tiny_models import tiny_tokenizer

TINY = tiny_tokenizer()


def changed(
    change: Callable[[dict[str, Any]], object], **special: str | None
) -> PreTrainedTokenizerFast:
    state = json.loads(TINY.backend_tokenizer.to_str())
    change(state)
    tokens = {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"} | special
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), **tokens)


def test_a_tokenizer_matches_its_copy() -> None:
    assert explain_difference(TINY, changed(lambda _: None)) is None


def test_decoder_template_padding_and_padding_token_do_not_matter() -> None:
    other = changed(lambda state: state.update(decoder=None), pad_token="<|endoftext|>")
    other.backend_tokenizer.enable_padding()
    assert explain_difference(TINY, other) is None


def rename_last_token(state: dict[str, Any]) -> None:
    vocab = state["model"]["vocab"]
    token = max(vocab, key=vocab.__getitem__)
    state["model"]["merges"].pop()
    vocab["zzzz"] = vocab.pop(token)


def swap_two_ids(state: dict[str, Any]) -> None:
    vocab = state["model"]["vocab"]
    vocab["a"], vocab["b"] = vocab["b"], vocab["a"]


def swap_two_merges(state: dict[str, Any]) -> None:
    merges = state["model"]["merges"]
    merges[0], merges[-1] = merges[-1], merges[0]


def add_token(state: dict[str, Any]) -> None:
    state["added_tokens"].append(state["added_tokens"][0] | {"id": 400, "content": "<new>"})


DIFFERENCES = [
    (rename_last_token, "400 and 400 tokens.*1 tokens are only in the second, such as 'zzzz'"),
    (swap_two_ids, "2 tokens have other ids in the two vocabularies: 'a' is"),
    (swap_two_merges, "the merges differ from rank 0 on"),
    (lambda state: state["model"]["merges"].pop(), "has 143 merges, the second 142"),
    (add_token, "400 and 401 tokens.*'<new>'"),
    (lambda s: s["added_tokens"][0].update(lstrip=True), "declared differently.*endoftext"),
    (lambda s: s.update(normalizer={"type": "Lowercase"}), "the normalizers differ: null in the f"),
    (lambda s: s["pre_tokenizer"].update(add_prefix_space=True), "the pre_tokenizers differ"),
    (lambda s: s["model"].update(ignore_merges=True), "differ in `ignore_merges`: False in"),
]


@pytest.mark.parametrize(("change", "words"), DIFFERENCES)
def test_a_difference_is_explained(change: Callable[[dict[str, Any]], object], words: str) -> None:
    explanation = explain_difference(TINY, changed(change))
    assert explanation is not None
    assert re.search(words, explanation), explanation


def test_another_end_of_sequence_token_is_a_difference() -> None:
    other = changed(lambda _: None, eos_token="a")
    assert explain_difference(TINY, other) == (
        "the eos_token is '<|endoftext|>' in the first and 'a' in the second tokenizer."
    )


def test_the_real_vocabulary_ends_with_the_highest_id() -> None:
    assert real_vocab_size(TINY) == 400
    gap = changed(lambda _: None)
    gap.add_tokens(["<new>"])
    assert real_vocab_size(gap) == 401
