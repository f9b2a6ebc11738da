"""The base and the memories that an engine answers from."""

from typing import NamedTuple

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import check_weights


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
