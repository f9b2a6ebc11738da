"""Do two tokenizers mean the same by the same ids?

A memory and a base can only be mixed when every id means the same token to both and every text
becomes the same ids. What is compared is what can change an id: vocabulary, merges, normaliser,
pre-tokeniser, added tokens and special ids; then a few texts, as a probe of all of it together.
Decoders, templates and padding are left out: they do not take part in encoding our texts.

This is equality. What is shared by tokenizers with different added tokens is found by
`tokenizer_compatibility`.
"""

import json
from typing import Any

from transformers import PreTrainedTokenizerFast

EXAMPLES = 3
PROBES = [
    "The quick brown fox jumps over 13 lazy dogs, isn't it?",
    "  leading spaces,\ttabs\n\nand   runs of them  \n",
    "naïve café – “quotes” … e\u0301 ﬁne ½ ２０２６ 中文字 日本語 한국어 עברית 🙂",
    "def f(x):\n    return x ** 2  # 3.14159e-10 != 0x1F\n",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1234567890123456789 CamelCaseWord UPPER_CASE",
]


def real_vocab_size(tokenizer: PreTrainedTokenizerFast) -> int:
    """One more than the highest id the tokenizer can emit.

    A model's `config.vocab_size` is often larger, padded to a multiple of 64 or 128.
    """
    return max(tokenizer.get_vocab().values()) + 1


def explain_difference(a: PreTrainedTokenizerFast, b: PreTrainedTokenizerFast) -> str | None:
    """Say in words how two tokenizers differ, or return None when they are interchangeable.

    Args:
        a: One tokenizer, called "the first" in the explanation.
        b: The other, "the second".

    Returns:
        One sentence about the first difference found, with examples, or None.
    """
    backend_a, backend_b = backend_of(a), backend_of(b)
    found = (
        _vocabularies(a.get_vocab(), b.get_vocab())
        or _special_ids(a, b)
        or _added_tokens(backend_a, backend_b)
    )
    return f"{found}." if found else explain_rule_difference(a, b)


def explain_rule_difference(a: PreTrainedTokenizerFast, b: PreTrainedTokenizerFast) -> str | None:
    """As `explain_difference`, of all but the tokens themselves: the rules that make ids of text.

    Args:
        a: One tokenizer, called "the first" in the explanation.
        b: The other, "the second".
    """
    backend_a, backend_b = backend_of(a), backend_of(b)
    found = (
        _special_ids(a, b)
        or _merges(backend_a, backend_b)
        or _setting(backend_a, backend_b, "normalizer")
        or _setting(backend_a, backend_b, "pre_tokenizer")
        or _model_settings(backend_a, backend_b)
        or _probes(a, b)
    )
    return f"{found}." if found else None


def backend_of(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """What tokenizer.json says: `model`, `added_tokens`, `normalizer`, `pre_tokenizer`."""
    backend: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return backend


def quoted(tokens: list[str]) -> str:
    """The first few of some tokens, for a message."""
    return ", ".join(repr(token) for token in tokens[:EXAMPLES])


def _vocabularies(a: dict[str, int], b: dict[str, int]) -> str | None:
    if a == b:
        return None
    only_a, only_b = (sorted(x.keys() - y.keys(), key=x.__getitem__) for x, y in ((a, b), (b, a)))
    if only_a or only_b:
        lacks = [
            f"{len(only)} tokens are only in the {which}, such as {quoted(only)}"
            for which, only in (("first", only_a), ("second", only_b))
            if only
        ]
        return f"the vocabularies differ ({len(a)} and {len(b)} tokens): {'; '.join(lacks)}"
    moved = sorted((token for token in a if a[token] != b[token]), key=a.__getitem__)
    examples = ", ".join(f"{token!r} is {a[token]} and {b[token]}" for token in moved[:EXAMPLES])
    return f"{len(moved)} tokens have other ids in the two vocabularies: {examples}"


def _special_ids(a: PreTrainedTokenizerFast, b: PreTrainedTokenizerFast) -> str | None:
    # Not the padding token, which people set as they please and which no text becomes; nor the
    # unknown one, of which only the model's setting counts (some classes invent a name for it).
    for name in ("eos_token", "bos_token"):
        one, other = getattr(a, name), getattr(b, name)
        if one != other:
            return f"the {name} is {one!r} in the first and {other!r} in the second tokenizer"
    return None


def _merges(a: dict[str, Any], b: dict[str, Any]) -> str | None:
    one, other = a["model"].get("merges"), b["model"].get("merges")
    if one == other or one is None or other is None:
        return None  # a missing list is a different kind of model, which _model_settings reports
    rank = next((i for i, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), None)
    if rank is None:
        return f"the first tokenizer has {len(one)} merges, the second {len(other)}"
    return (
        f"the merges differ from rank {rank} on: {' + '.join(one[rank])!r} in the first and "
        f"{' + '.join(other[rank])!r} in the second tokenizer"
    )


def _added_tokens(a: dict[str, Any], b: dict[str, Any]) -> str | None:
    tokens_a, tokens_b = ({t["content"]: t for t in x["added_tokens"]} for x in (a, b))
    different = [
        content
        for content in sorted(tokens_a.keys() | tokens_b.keys())
        if tokens_a.get(content) != tokens_b.get(content)
    ]
    if not different:
        return None
    return f"{len(different)} added tokens are declared differently, such as {quoted(different)}"


def _setting(a: dict[str, Any], b: dict[str, Any], key: str) -> str | None:
    if a.get(key) == b.get(key):
        return None
    one, other = _short(a.get(key)), _short(b.get(key))
    return f"the {key}s differ: {one} in the first and {other} in the second tokenizer"


def _model_settings(a: dict[str, Any], b: dict[str, Any]) -> str | None:
    one, other = (
        {k: v for k, v in x["model"].items() if k not in ("vocab", "merges")} for x in (a, b)
    )
    for key in sorted(one.keys() | other.keys()):
        if (one.get(key) or None) != (other.get(key) or None):  # "" and false are as good as unset
            return (
                f"the tokenizer models differ in `{key}`: {one.get(key)!r} in the first and "
                f"{other.get(key)!r} in the second"
            )
    return None


def _probes(a: PreTrainedTokenizerFast, b: PreTrainedTokenizerFast) -> str | None:
    for text in PROBES:
        one, other = (
            t.backend_tokenizer.encode(text, add_special_tokens=False).tokens for t in (a, b)
        )
        if one != other:
            return f"the text {text!r} becomes {one} in the first and {other} in the second"
    return None


def _short(setting: object) -> str:
    text = json.dumps(setting, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
