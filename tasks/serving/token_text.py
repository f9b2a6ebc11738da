"""Text from token ids, one at a time, and never a part of a character.

A token may end inside a character. `tokenizers.decoders.DecodeStream` would wait for the rest, but
it raises on what a model may well write with a vocabulary of byte pieces: bytes that make no
character. Here a token's bytes go through Python's incremental UTF-8 decoder, which replaces them.
"""

import codecs
from collections.abc import Iterable

from memdec_core.text.token_spelling import TokenSpelling


class TokenBytes:
    """The bytes of every token of a vocabulary; special tokens spell their names."""

    def __init__(self, spelling: TokenSpelling) -> None:
        self._bytes = {
            token: text if isinstance(text, bytes) else text.encode()
            for token, text in spelling.texts.items()
        }

    def __getitem__(self, token: int) -> bytes:
        """No bytes for an id that the vocabulary leaves out."""
        return self._bytes.get(token, b"")

    def name(self, token: int) -> str:
        r"""A token's text; `bytes:\xe2\x80` where it is not whole characters, as OpenAI does."""
        spelled = self[token]
        try:
            return spelled.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in spelled)

    def text(self, tokens: Iterable[int]) -> str:
        """The text of a whole sequence."""
        return b"".join(self[token] for token in tokens).decode(errors="replace")


class TokenDecoder:
    """One sequence's text as it grows."""

    def __init__(self, token_bytes: TokenBytes) -> None:
        self._bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """The characters that this token completes; possibly none."""
        return self._decoder.decode(self._bytes[token])

    def end(self) -> str:
        """The replacement of a character that was left unfinished; often nothing."""
        return self._decoder.decode(b"", final=True)
