"""Documents become token ids.

Legend: D documents, T tokens.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenizer_match import real_vocab_size

# A fast tokenizer needs about 120 bytes per character of what it encodes at once (measured on a
# document of 5 MB), so that this bounds a batch to about 30 MB; larger batches are no faster.
BATCH_CHARACTERS = 250_000


class EncodedDocuments(NamedTuple):
    """Token ids of some documents, one after the other, and how many each has (may be 0)."""

    token_ids_T: npt.NDArray[np.unsignedinteger]
    lengths_D: npt.NDArray[np.int64]


def token_dtype(vocab_size: int) -> type[np.uint16] | type[np.uint32]:
    """The smallest type that holds every id of a vocabulary: 2 bytes up to 65,536 ids, else 4."""
    return np.uint16 if vocab_size <= 2**16 else np.uint32


def encode_documents(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], config: TokensConfig
) -> Iterator[EncodedDocuments]:
    """Encode documents in batches, in order.

    Everything in a document is text: a `<|endoftext|>` that someone wrote is spelled out in
    ordinary tokens, so that the special ids in the stream are ours alone. Nothing is added in front
    (no beginning-of-sequence token), nothing is normalised beyond what the tokenizer itself does,
    and nothing is truncated or padded. The result does not depend on how documents fall into
    batches.

    Args:
        tokenizer: A fast tokenizer; it is copied, not changed.
        texts: Documents, each short enough for memory (about 120 bytes per character).
        config: What separates documents.

    Yields:
        Documents of up to about BATCH_CHARACTERS characters at a time.

    Raises:
        UserError: A separator is wanted and the tokenizer has no end-of-sequence token.
    """
    backend = _plain_backend(tokenizer)
    dtype = token_dtype(real_vocab_size(tokenizer))
    ending = np.array(separator_ids(tokenizer, config), dtype=dtype)
    for batch in _batches(texts):
        yield _encode_batch(backend, batch, ending)


def _encode_batch(
    backend: Tokenizer, batch: list[str], ending: npt.NDArray[Any]
) -> EncodedDocuments:
    """One batch; the encodings, which are large, are gone before the next one is made."""
    encodings = backend.encode_batch_fast(batch, add_special_tokens=False)
    pieces = [piece for e in encodings for piece in (np.array(e.ids, ending.dtype), ending)]
    lengths = [len(e) + len(ending) for e in encodings]
    return EncodedDocuments(np.concatenate(pieces), np.array(lengths, dtype=np.int64))


def separator_ids(tokenizer: PreTrainedTokenizerFast, config: TokensConfig) -> list[int]:
    """The ids that end every document: the end-of-sequence id, or none.

    Raises:
        UserError: A separator is wanted and the tokenizer has no end-of-sequence token.
    """
    if config.separator == "none":
        return []
    if tokenizer.eos_token_id is None:
        raise UserError(
            "tokens.separator: `eos` needs a tokenizer with an end-of-sequence token, and that of "
            "the base model has none; set tokens.separator to `none`, or name the token as "
            "`eos_token` in the model's tokenizer_config.json"
        )
    return [int(tokenizer.eos_token_id)]


def _plain_backend(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """A copy of the tokenizer's engine that treats special tokens in text as text."""
    backend: Tokenizer = deepcopy(tokenizer.backend_tokenizer)
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return backend


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and characters + len(text) > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch
