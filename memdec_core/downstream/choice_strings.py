"""Prompts and the strings that may follow them, as token ids.

Legend: R records, S strings of all labels, E tokens of all strings, T tokens of a prompt.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from memdec_core.downstream.downstream_prompts import Strings
from memdec_core.errors import UserError
from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenization import encode_documents

Prompts = Sequence[NDArray[np.int64]]


class ChoiceStrings(NamedTuple):
    """The strings that are scored after every prompt of a dataset.

    Attributes:
        texts_S: The strings.
        label_S: The label each stands for, int64.
        offsets_S1: Where each one's tokens start, and the end; int64.
        token_ids_E: The tokens of all strings, one string after the other; int64.
    """

    texts_S: tuple[str, ...]
    label_S: NDArray[np.int64]
    offsets_S1: NDArray[np.int64]
    token_ids_E: NDArray[np.int64]

    @property
    def first_S(self) -> NDArray[np.int64]:
        """Where each string's first token is."""
        return self.offsets_S1[:-1]

    @property
    def longer(self) -> list[slice]:
        """Where the tokens of each string of two or more are."""
        spans = zip(self.offsets_S1[:-1].tolist(), self.offsets_S1[1:].tolist(), strict=True)
        return [slice(start, stop) for start, stop in spans if stop - start > 1]

    @property
    def longest(self) -> int:
        """Tokens of the longest string."""
        return int(np.diff(self.offsets_S1).max())


def encode_choices(tokenizer: PreTrainedTokenizerFast, verbalizers: Strings) -> ChoiceStrings:
    """Encode the strings of every label.

    Of a label's strings those of one token are kept, each once, so that all of them are scored by
    one forward pass; of a label that has none the first string is, with all of its tokens.

    Args:
        tokenizer: The model's.
        verbalizers: Strings by label, at least one each, none empty.
    """
    kept: list[tuple[str, int, NDArray[np.int64]]] = []
    for label, texts in enumerate(verbalizers):
        unique = list(dict.fromkeys(texts))
        encoded = list(zip(unique, _encode(tokenizer, unique), strict=True))
        single = [(text, ids) for text, ids in encoded if len(ids) == 1]
        kept += [(text, label, ids) for text, ids in single or encoded[:1]]
    texts_S, label_S, ids_S = zip(*kept, strict=True)
    offsets_S1 = np.concatenate([[0], np.cumsum([len(ids) for ids in ids_S])])
    return ChoiceStrings(texts_S, np.array(label_S), offsets_S1, np.concatenate(ids_S))


def encode_prompts(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], most_tokens: int
) -> tuple[Prompts, int]:
    """Encode prompts; those that are too long lose their beginning.

    Args:
        tokenizer: The model's.
        texts: The prompts.
        most_tokens: Most tokens that are kept of each.

    Returns:
        Token ids of each, int64 (T,), and how many prompts were cut.
    """
    whole = _encode(tokenizer, texts)
    n_cut = sum(len(ids) > most_tokens for ids in whole)
    return [ids[-most_tokens:] for ids in whole], n_cut


def prompt_room(strings: ChoiceStrings, context_tokens: int, model_context: int | None) -> int:
    """Tokens that a prompt may have, so that the longest string still fits behind it.

    Args:
        strings: What may follow.
        context_tokens: Most tokens of both that are wanted.
        model_context: Most tokens that the model reads; None for any number.

    Raises:
        UserError: No token is left for the prompt.
    """
    context = min(context_tokens, model_context or context_tokens)
    room = context - strings.longest
    if room < 1:
        raise UserError(
            f"config.comparison.downstream: a choice of {strings.longest} tokens leaves no "
            f"room for a prompt in a context of {context}: use a model that reads more, a larger "
            "config.comparison.downstream.context_tokens, or shorter verbalizers"
        )
    return room


def _encode(tokenizer: PreTrainedTokenizerFast, texts: Iterable[str]) -> list[NDArray[np.int64]]:
    """Token ids of each text, with nothing before or after; special tokens in it are text."""
    ids: list[NDArray[np.int64]] = []
    for tokens_T, lengths_D in encode_documents(tokenizer, texts, TokensConfig(separator="none")):
        ids += np.split(tokens_T.astype(np.int64), np.cumsum(lengths_D)[:-1])
    return ids
