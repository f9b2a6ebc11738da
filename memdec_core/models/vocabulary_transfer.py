"""A trained model takes the vocabulary of another tokenizer; its body stays as it is.

The `overlap` initialisation is fast vocabulary transfer (FVT, Gee et al. 2022): a token of both
vocabularies keeps its row, another one starts from the mean of the rows that spell its text in the
old vocabulary. WECHSEL and FOCUS weigh old rows by similarities from embeddings learned elsewhere,
zero-shot tokenizer transfer by a hypernetwork: both need a model more.

Legend: V ids of the old vocabulary, W ids of the new one, D width, E pieces of all new tokens.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from memdec_core.models.models_config import Embeddings
from memdec_core.text.token_spelling import TokenSpelling
from memdec_core.text.tokenizer_match import real_vocab_size


class RowCounts(NamedTuple):
    """How many rows of the new vocabulary came about in which way."""

    copied: int
    averaged: int
    drawn: int


class RowSources(NamedTuple):
    """Old ids by new id: one to copy, several to average, none for a row that is drawn.

    Attributes:
        ids_W: The old ids.
        copied_W: Whether the token itself is one of the old vocabulary.
    """

    ids_W: list[list[int]]
    copied_W: list[bool]


def transfer_vocabulary(
    model: PreTrainedModel,
    old: PreTrainedTokenizerFast,
    new: PreTrainedTokenizerFast,
    embeddings: Embeddings,
    seed: int,
) -> RowCounts:
    """Gives a model new embeddings and a new head, in place.

    Tied embeddings stay tied; a head of its own (and its bias) is made in the same way from the
    old head. Rows that are drawn have, in every dimension, mean and deviation of the old rows.

    Args:
        model: A causal language model with at least as many rows as `old` has ids.
        old: The tokenizer that the model was trained with.
        new: The tokenizer whose ids it shall take and give.
        embeddings: How rows come about.
        seed: Seeds the rows that are drawn.
    """
    size = real_vocab_size(new)
    sources = RowSources([[]] * size, [False] * size)
    if embeddings == "overlap":
        sources = row_sources(old, new)
    generator = torch.Generator().manual_seed(seed)
    known = real_vocab_size(old)  # the rows above are padding, which was never trained
    made = [
        new_rows(weight.detach()[:known].cpu(), sources.ids_W, generator)
        for weight in _vocabulary_weights(model)
    ]
    model.resize_token_embeddings(size, mean_resizing=False)
    with torch.no_grad():
        for weight, rows in zip(_vocabulary_weights(model), made, strict=True):
            weight.copy_(rows)
    _take_special_ids(model, new)
    copied, drawn = sum(sources.copied_W), sum(not ids for ids in sources.ids_W)
    return RowCounts(copied, size - copied - drawn, drawn)


def row_sources(old: PreTrainedTokenizerFast, new: PreTrainedTokenizerFast) -> RowSources:
    """Which old rows each token of a new vocabulary starts from.

    Tokens are the same when they stand for the same bytes. Special tokens are the same when they
    have one name, or one task: the new end of text starts from the old one, whatever it is called.
    """
    spelling, texts = TokenSpelling(old), TokenSpelling(new).texts
    # sentencepiece lists the bytes first: where a character has a piece too, that one is in use
    ids = {text: token_id for token_id, text in spelling.texts.items()}
    tasks = {new.bos_token_id: old.bos_token_id, new.eos_token_id: old.eos_token_id}
    sources = RowSources([], [])
    for token_id in range(real_vocab_size(new)):
        text = texts.get(token_id)
        same = ids.get(text) if text is not None else None
        if same is None and isinstance(text, str):
            same = tasks.get(token_id)
        pieces = spelling.pieces(text) if same is None and isinstance(text, bytes) else []
        sources.ids_W.append(pieces if same is None else [same])
        sources.copied_W.append(same is not None)
    return sources


def new_rows(
    old_VD: Tensor, sources_W: Sequence[Sequence[int]], generator: torch.Generator
) -> Tensor:
    """Rows of a new vocabulary from those of an old one.

    Args:
        old_VD: float32 rows, or one value per id.
        sources_W: Old ids by new id.
        generator: Draws the rows that have no source.

    Returns:
        float32 (W × D): the mean of each token's sources.
    """
    rows_VD = old_VD.reshape(len(old_VD), -1)
    deviation_D, mean_D = torch.std_mean(rows_VD, dim=0)
    count_W = torch.tensor([len(ids) for ids in sources_W])
    # all are drawn, so that a row does not depend on which others have sources
    drawn_WD = torch.randn(len(count_W), rows_VD.shape[1], generator=generator)
    ids_E = torch.tensor([old_id for ids in sources_W for old_id in ids], dtype=torch.int64)
    offsets_W = torch.cumsum(count_W, 0) - count_W
    mean_WD = functional.embedding_bag(ids_E, rows_VD, offsets_W, mode="mean")
    made_WD = torch.where(count_W[:, None] > 0, mean_WD, mean_D + deviation_D * drawn_WD)
    return made_WD.reshape(len(count_W), *old_VD.shape[1:])


def _vocabulary_weights(model: PreTrainedModel) -> list[Tensor]:
    """Weights that have one row per id, each once."""
    embeddings: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    weights = [embeddings.weight]
    if head.weight is not embeddings.weight:
        weights.append(head.weight)
    if head.bias is not None:
        weights.append(head.bias)
    return weights


def _take_special_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Old ids may not exist any more, or mean something else; a padding row would never learn."""
    for config in (model.config.get_text_config(), model.generation_config):
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = None
