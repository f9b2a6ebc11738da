"""Which contexts of the corpus put the probability of a next token where it is."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.targets.explanation import (
    Carrier,
    TokenShares,
    carriers_of,
    probable_tokens,
    token_shares,
)
from storage.store.artifact_store import Store
from tasks.inputs.stream_text import StreamText
from tasks.use.explained_position import DATASTORE, ExplainedPipeline, ExplainedPosition
from tasks.use.opened_models import model_folder, shared_ids

TOKENS_BEFORE = 40
TOKENS_AFTER = 12
"""Tokens of text shown on either side of a neighbour's token."""


class NamedShares(NamedTuple):
    """A token as text, and its probability under each system."""

    text: str
    id: int
    p_knn: float
    p_mem: float
    p_base: float
    p_joint: float


class ShownNeighbour(NamedTuple):
    """A neighbour that carries the explained token.

    Attributes:
        document: Id of the document it is in.
        token_offset: Tokens of the document before the explained one.
        character_offset: Characters of the document before it.
        distance: Squared L2 distance of its key from the prompt's.
        weight: Its share of p_kNN.
        before: Text up to the token.
        token: The token.
        after: Text that follows.
    """

    document: str
    token_offset: int
    character_offset: int
    distance: float
    weight: float
    before: str
    token: str
    after: str


@dataclass(frozen=True)
class Explanation:
    """The position after a prompt, and one token there.

    Attributes:
        prompt_tokens: Tokens of the prompt that were read.
        k: Neighbours found.
        tau: Temperature of p_kNN.
        alpha: Weight of the memory in p_joint.
        tokens: The most probable tokens, in the order of p_joint.
        explained: The token that is explained.
        carriers: How many of the neighbours carry it.
        neighbours: The heaviest of these, in order.
        notes: What the reader should know about question and answer.
    """

    prompt_tokens: int
    k: int
    tau: float
    alpha: float
    tokens: list[NamedShares]
    explained: NamedShares
    carriers: int
    neighbours: list[ShownNeighbour]
    notes: list[str]


def explain_token(
    store: Store,
    pipeline: ExplainedPipeline,
    prompt: str,
    token: str | None,
    top: int,
    device: Literal["auto", "cpu", "cuda"],
) -> Explanation:
    """Explains the position after a prompt, and one token there.

    Args:
        store: Where the artifacts are.
        pipeline: Which they are, and the settings they were made with.
        prompt: The text before the position.
        token: The token to explain; the memory's most probable one when None.
        top: Most tokens, and most neighbours, to list.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        UserError: Prompt or token is empty, or a model does not fit.
        StorageError: An artifact is not there or could not be read.
    """
    pipeline.require(store)
    read = (pipeline.key_model, pipeline.memory, pipeline.base)
    ids = shared_ids(*(model_folder(store, ref) for ref in read))
    question = _Question(ids.tokenizers[0])
    prompt_ids = question.read_prompt(prompt, pipeline.windows.length - 1)
    asked = None if token is None else question.read_token(token)
    ids.check(prompt_ids if asked is None else [*prompt_ids, asked])
    position = ExplainedPosition(store, pipeline, prompt_ids, ids.vocab_size, device)
    said = position.distributions
    chosen = int(said.p_mem_V.argmax()) if asked is None else asked
    carriers = carriers_of(position.neighbours, chosen)
    if not carriers:
        question.notes.append("no neighbour carries the token: what it gets comes from the models")
    text = StreamText(store.readers(pipeline.tokens), DATASTORE, question.tokenizer)
    scope = pipeline.windows.scope
    return Explanation(
        prompt_tokens=len(prompt_ids),
        k=len(position.neighbours.rows_K),
        tau=pipeline.search.tau,
        alpha=pipeline.alpha,
        tokens=[question.named(shares) for shares in probable_tokens(said, top, chosen)],
        explained=question.named(token_shares(said, chosen)),
        carriers=len(carriers),
        neighbours=[_shown(carrier, position, text, scope) for carrier in carriers[:top]],
        notes=question.notes,
    )


class _Question:
    """Prompt and token as the tokenizer reads them, with notes on what became of them."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.notes: list[str] = []

    def read_prompt(self, prompt: str, most: int) -> list[int]:
        """The ids of a prompt, at most the last `most` of them: no row has more context."""
        ids = self._ids("--prompt", prompt)
        if len(ids) > most:
            self.notes.append(
                f"the prompt has {len(ids):,} tokens; the last {most:,} were read, because the "
                "pipeline's windows hold no more"
            )
        return ids[-most:]

    def read_token(self, token: str) -> int:
        """The first id of a token's text."""
        ids = self._ids("--token", token)
        if len(ids) > 1:
            pieces = ", ".join(repr(self.tokenizer.decode([i])) for i in ids)
            self.notes.append(
                f"{token!r} is {len(ids)} tokens ({pieces}); the first one is explained. To "
                "explain the next, put the first at the end of the prompt"
            )
        return ids[0]

    def named(self, shares: TokenShares) -> NamedShares:
        """A token's shares with its text."""
        return NamedShares(str(self.tokenizer.decode([shares.token])), *shares)

    def _ids(self, option: str, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not ids:
            raise UserError(f"{option}: {text!r} has no token; give at least one")
        return ids


def _shown(
    carrier: Carrier,
    position: ExplainedPosition,
    text: StreamText,
    scope: Literal["document", "stream"],
) -> ShownNeighbour:
    """A neighbour with its place in the corpus and the text around it."""
    (place,) = position.embeddings.positions(carrier.row, carrier.row + 1).tolist()
    around = text.around(place, TOKENS_BEFORE, TOKENS_AFTER, scope)
    return ShownNeighbour(*text.place(place), carrier.distance, carrier.weight, *around)
