"""The names that clients ask for, and the weights of the memories that they mean."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from memdec_core.text.token_spelling import TokenSpelling
from tasks.serving.api_errors import ApiError, invalid
from tasks.serving.token_text import TokenBytes

BASE = "base"


class ServedMemory(NamedTuple):
    """A memory beside the base.

    Attributes:
        name: Its pipeline's.
        alpha: Its weight where a request gives none.
        artifact: Where `memdec lineage` begins.
        release: Number of its release in the pipeline's history; None if nobody promoted it.
    """

    name: str
    alpha: float
    artifact: str
    release: int | None


class ModelCatalog:
    """What is served under which name, and how its texts are spelled.

    Args:
        base_name: What people call the base model.
        memories: In the order of the engine's.
        tokenizer: The one of all of them.
        stop_tokens: Ids that end a text.
        fingerprint: Tells these models from those served before or after.
        created: When the server opened them (seconds since 1970).
    """

    def __init__(
        self,
        base_name: str,
        memories: Sequence[ServedMemory],
        tokenizer: PreTrainedTokenizerFast,
        stop_tokens: frozenset[int],
        fingerprint: str,
        created: int,
    ) -> None:
        self.base_name = base_name
        self.memories = {memory.name: memory for memory in memories}
        self.tokenizer = tokenizer
        self._backend: Tokenizer = deepcopy(tokenizer.backend_tokenizer)
        self._backend.no_truncation()
        self._backend.no_padding()
        self.token_bytes = TokenBytes(TokenSpelling(tokenizer))
        self.stop_tokens = stop_tokens
        self.fingerprint = fingerprint
        self.created = created

    @property
    def names(self) -> tuple[str, ...]:
        """All models: the base alone, then the base with each memory."""
        return BASE, *self.memories

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, special tokens read as such and none added; for any thread."""
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids

    def require(self, model: str) -> None:
        """Refuses a model that is not served, with 404."""
        if model not in self.names:
            known = ", ".join(f"`{name}`" for name in self.names)
            raise ApiError(
                404,
                f"the model `{model}` is not served here; there are {known}",
                param="model",
                code="model_not_found",
            )

    def card(self, model: str) -> dict[str, object]:
        """A model as `/v1/models` lists it."""
        self.require(model)
        said: dict[str, object] = {"alpha": 0.0, "base": self.base_name}
        if model != BASE:
            memory = self.memories[model]
            said |= {"alpha": memory.alpha, "memory": memory.artifact, "release": memory.release}
        return {
            "id": model,
            "object": "model",
            "created": self.created,
            "owned_by": "memdec",
            "memdec": said,
        }

    def state(self) -> dict[str, object]:
        """Which models answer: their fingerprint, and every memory's release."""
        releases = {name: memory.release for name, memory in self.memories.items()}
        return {"system_fingerprint": self.fingerprint, "releases": releases}

    def weights(
        self, model: str, alpha: float | None, memories: Mapping[str, float] | None
    ) -> tuple[float, ...]:
        """Weight of every memory, in the engine's order.

        Args:
            model: The name that was asked for.
            alpha: Weight of the model's memory in place of its own.
            memories: Weights of all memories by name, those not named 0, in place of `alpha`.

        Raises:
            ApiError: An unknown name, or a contradiction.
        """
        self.require(model)
        if memories is not None:
            wanted = self._checked(model, alpha, memories)
        elif model == BASE:
            if alpha is not None:
                raise invalid(
                    f"`alpha` is the weight of a model's memory, and `{BASE}` has none; ask for "
                    "another model, or give `memories`",
                    "alpha",
                )
            wanted = {}
        else:
            wanted = {model: self.memories[model].alpha if alpha is None else alpha}
        return tuple(wanted.get(name, 0.0) for name in self.memories)

    def _checked(
        self, model: str, alpha: float | None, memories: Mapping[str, float]
    ) -> Mapping[str, float]:
        if alpha is not None:
            raise invalid("give `alpha` or `memories`, not both", "memories")
        if unknown := sorted(memories.keys() - self.memories.keys()):
            known = ", ".join(f"`{name}`" for name in self.memories) or "none"
            raise invalid(f"`{unknown[0]}` is no memory served here; there are {known}", "memories")
        if model not in (BASE, *memories):
            raise invalid(
                f"`memories` says the weights of all memories and leaves `{model}` out, which is "
                f"the model asked for; name it there, or ask for `{BASE}`",
                "memories",
            )
        if not (total := sum(memories.values())) <= 1 + 1e-9:
            raise invalid(
                f"the weights of `memories` are {total:g} together; the base has what they leave "
                "of 1",
                "memories",
            )
        return memories
