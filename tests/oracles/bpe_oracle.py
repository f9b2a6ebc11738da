"""Byte-pair encoding as one would do it by hand."""

import json
from itertools import pairwise

from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast


def encode_by_hand(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Merges neighbours, the pair learned first before all others, until no pair is known.

    Args:
        tokenizer: A byte-level one, or one with `▁` for spaces and pieces for bytes.
        text: Cut as one piece: no rule splits it before, no space is put in front.
    """
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}
    symbols = _symbols(model["vocab"], text)
    while True:
        pairs = [ranks.get(pair, len(ranks)) for pair in pairwise(symbols)]
        if not pairs or min(pairs) == len(ranks):
            return [model["vocab"][symbol] for symbol in symbols]
        at = pairs.index(min(pairs))
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]


def _symbols(vocabulary: dict[str, int], text: str) -> list[str]:
    """The smallest tokens of a text."""
    if "Ġ" in vocabulary:
        by_byte = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        return [letter for part, _ in by_byte.pre_tokenize_str(text) for letter in part]
    found = []
    for letter in text.replace(" ", "▁"):
        spelled = [f"<0x{byte:02X}>" for byte in letter.encode()]
        found += [letter] if letter in vocabulary else spelled
    return found
