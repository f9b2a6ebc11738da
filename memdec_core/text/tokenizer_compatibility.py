"""Which ids mean the same to two tokenizers of one family?

Models of a family pad their embeddings differently and declare further tokens at higher ids: Qwen2
has three beyond its 151,643 pieces, Qwen2.5 has twenty-two. Such models can be mixed over the ids
that both tokenizers share. What lies beyond never arises from ordinary text, so nothing but those
tokens loses its probability: logits are cut there and normalised again, and no model is resized.
"""

import re
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.text.tokenizer_match import (
    backend_of,
    explain_difference,
    explain_rule_difference,
    quoted,
    real_vocab_size,
)

_MARKER = re.compile(r"[▁Ġ\s]*[<\[{|].*\w.*[>\]}|]\s*", re.DOTALL)
"""A token that looks like one: <tool_call>, [INST], |||EMAIL|||."""
_WORDS = re.compile(r"[\w\s]*")


class Compatibility(NamedTuple):
    """Whether the models of two tokenizers can be mixed, and over which ids.

    Attributes:
        shared_vocab_size: Both mean the same by every id below it; 0 where they are incompatible.
        difference: Why they are, in one sentence; None where they are compatible.
        notes: Sentences on tokens past the shared ids.
    """

    shared_vocab_size: int
    difference: str | None
    notes: tuple[str, ...]


class _Side(NamedTuple):
    """One tokenizer: its name in sentences, tokens and declarations of added ones by id."""

    name: str
    eos_id: int | None
    tokens: dict[int, str]
    added: dict[int, dict[str, Any]]

    @property
    def size(self) -> int:
        return max(self.tokens) + 1

    def past(self, size: int) -> list[int]:
        """The ids from `size` on."""
        return sorted(token_id for token_id in self.tokens if token_id >= size)


def compare_tokenizers(a: PreTrainedTokenizerFast, b: PreTrainedTokenizerFast) -> Compatibility:
    """Finds what two tokenizers share: the largest n such that they agree on all ids below n.

    They are compatible when a text becomes the same ids in both unless it spells out a token from n
    on: only added tokens (special or not) that ordinary text does not hold may lie there, and the
    ends of sequence must lie below. Where a document does spell one out, the ids that the datastore
    model's tokenizer made of it count for all models; a text with ids from n on cannot be scored.

    Args:
        a: One tokenizer, called "the first" in sentences.
        b: The other, "the second".
    """
    strict = explain_difference(a, b)
    if strict is None:
        return Compatibility(real_vocab_size(a), None, ())
    sides = _side("first", a), _side("second", b)
    size = _agreeing_ids(*sides)
    if any(token_id not in side.added for side in sides for token_id in side.past(size)):
        difference: str | None = strict  # a piece that text is cut into
    else:
        beyond = [found for side in sides if (found := _explain_tail(side, size)) is not None]
        difference = beyond[0] if beyond else explain_rule_difference(a, b)
    if difference is not None:
        return Compatibility(0, difference, ())
    return Compatibility(size, None, tuple(_note(side, size) for side in sides if side.size > size))


def shared_vocab_size(a: PreTrainedTokenizerFast, b: PreTrainedTokenizerFast) -> int:
    """Number of ids over which the models of two tokenizers can be mixed.

    Raises:
        UserError: The tokenizers are incompatible; the message says how they differ.
    """
    size, difference, _ = compare_tokenizers(a, b)
    if difference is not None:
        raise UserError(
            f"the tokenizers of the two models differ: {difference} "
            "Probabilities are mixed token by token, so use models of one family"
        )
    return size


def _side(name: str, tokenizer: PreTrainedTokenizerFast) -> _Side:
    return _Side(
        name,
        tokenizer.eos_token_id,
        {token_id: token for token, token_id in tokenizer.get_vocab().items()},
        {token["id"]: token for token in backend_of(tokenizer)["added_tokens"]},
    )


def _agreeing_ids(a: _Side, b: _Side) -> int:
    """The first id that does not mean the same in both, or that one of them does not reach."""
    least = min(a.size, b.size)
    for token_id in range(least):
        if a.tokens.get(token_id) != b.tokens.get(token_id):
            return token_id
        if a.added.get(token_id) != b.added.get(token_id):
            return token_id
    return least


def _explain_tail(side: _Side, size: int) -> str | None:
    """Why the tokens past the shared ids cannot be left out."""
    if side.eos_id is not None and side.eos_id >= size:
        return (
            f"the {side.name} tokenizer ends a sequence with {side.tokens[side.eos_id]!r} (id "
            f"{side.eos_id:,}), but the two agree only on the ids below {size:,}."
        )
    words = [side.tokens[i] for i in side.past(size) if _looks_like_text(side.added[i])]
    if words:
        return (
            f"{len(words)} tokens that were added to the {side.name} tokenizer past the shared "
            f"{size:,} ids are ordinary text, such as {quoted(words)}."
        )
    return None


def _looks_like_text(added: dict[str, Any]) -> bool:
    """Whether an added token is a word or a sign of ordinary text, even if it is called special."""
    content: str = added["content"]
    if _MARKER.fullmatch(content):
        return False
    return not added["special"] or _WORDS.fullmatch(content) is not None


def _note(side: _Side, size: int) -> str:
    tail = [side.tokens[token_id] for token_id in side.past(size)]
    return (
        f"the {side.name} tokenizer has {len(tail)} added tokens past the {size:,} shared ids, "
        f"such as {quoted(tail)}; they get no probability in a mixture"
    )
