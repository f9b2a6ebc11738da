"""The base and the memories that an engine answers from."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM


class ServedModels(NamedTuple):
    """A base and any number of memories that share its vocabulary.

    Attributes:
        base: The base model.
        memories: The memories, none or more.
        weights: Of every memory, for requests that name no weights; together at most 1.
    """

    base: TransformerLM
    memories: tuple[TransformerLM, ...]
    weights: tuple[float, ...]

    @property
    def parts(self) -> tuple[TransformerLM, ...]:
        """The base, then the memories."""
        return (self.base, *self.memories)

    @property
    def context_length(self) -> int | None:
        """Most tokens of a sequence, the least of the parts; None if there is no limit."""
        limits = [part.context_length for part in self.parts]
        return min((limit for limit in limits if limit is not None), default=None)

    def check(self) -> None:
        """Refuse parts that cannot be mixed.

        Raises:
            UserError: The parts differ in their vocabularies, or the weights are no weights.
        """
        for number, memory in enumerate(self.memories):
            if memory.vocab_size != self.base.vocab_size:
                raise UserError(
                    f"the base has {self.base.vocab_size} tokens and memory {number} has "
                    f"{memory.vocab_size}: they must share a tokenizer"
                )
        check_weights(self.weights, len(self.memories))


def check_weights(weights: Sequence[float], n_memories: int) -> None:
    """Refuse weights that do not fit the memories.

    Raises:
        UserError: There are too few or too many, one is negative, or they exceed 1 together.
    """
    if len(weights) != n_memories:
        raise UserError(f"{len(weights)} weights for {n_memories} memories: give one to each")
    # a sum of decimal fractions may exceed 1 by a rounding; written so that NaN is refused, too
    if not (all(weight >= 0 for weight in weights) and math.fsum(weights) <= 1 + 1e-9):
        raise UserError(
            f"the memories' weights are {list(weights)}: none may be negative, and together they "
            "may be at most 1"
        )
