"""Places of a split's token stream as a person reads them: document, offset, text."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerFast

from storage.formats.token_shards import TokenReader, read_document_ids
from storage.store.shard_files import ShardReader

UNFINISHED = "\ufffd"
"""What decoding makes of a character whose bytes are not all there."""


class Place(NamedTuple):
    """Where a token stands.

    Attributes:
        document: Id of its document.
        token_offset: Tokens of the document before it.
        character_offset: Characters of the document before it, as the tokens spell it: those of
            the source itself unless the tokenizer normalises text.
    """

    document: str
    token_offset: int
    character_offset: int


class MarkedText(NamedTuple):
    """A piece of text with one token of it set apart; the three together are the text."""

    before: str
    token: str
    after: str


class StreamText:
    """A split's token stream, decoded.

    Args:
        readers: Shards of a tokens artifact, by name.
        split: train, valid or test.
        tokenizer: The one that made the tokens.
    """

    def __init__(
        self, readers: Mapping[str, ShardReader], split: str, tokenizer: PreTrainedTokenizerFast
    ) -> None:
        self.tokens = TokenReader(readers, split)
        self._readers = readers
        self._split = split
        self._tokenizer = tokenizer

    def place(self, position: int) -> Place:
        """The document of a position of the stream, and the position in it."""
        document, start, _stop = self._document(position)
        (name,) = read_document_ids(self._readers, self._split, [document])
        characters = len(self.text(start, position).rstrip(UNFINISHED))
        return Place(name, position - start, characters)

    def text(self, start: int, stop: int) -> str:
        """The tokens start .. stop - 1 as text, special tokens spelled out."""
        ids = self.tokens.read(start, stop).tolist()
        return str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    def around(
        self, position: int, before: int, after: int, scope: Literal["document", "stream"]
    ) -> MarkedText:
        """The token at a position, and some text on both sides.

        A token that is part of a character is shown as the whole character.

        Args:
            position: Of the stream.
            before: Most tokens before it.
            after: Most tokens after it.
            scope: `document` ends with the document, as the model's context does; `stream` goes on.
        """
        first, end = 0, self.tokens.n_tokens
        if scope == "document":
            _document, first, end = self._document(position)
        start, stop = max(first, position - before), min(end, position + 1 + after)
        whole = self.text(start, stop)
        begin = len(self.text(start, position).rstrip(UNFINISHED))
        through = len(self.text(start, position + 1).rstrip(UNFINISHED))
        through = max(through, begin + 1)
        return MarkedText(whole[:begin].lstrip(UNFINISHED), whole[begin:through], whole[through:])

    def _document(self, position: int) -> tuple[int, int, int]:
        """Number of a position's document, and where it starts and ends in the stream."""
        offsets_D1 = self.tokens.offsets_D1
        document = int(np.searchsorted(offsets_D1, position, side="right")) - 1
        return document, int(offsets_D1[document]), int(offsets_D1[document + 1])
