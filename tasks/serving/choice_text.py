"""One sequence's text, in pieces that are certain, each with the tokens that it comes from."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from memdec_core.serving.request import TokenScores
from tasks.serving.stop_strings import StopStrings
from tasks.serving.token_text import TokenBytes, TokenDecoder


class PlacedToken(NamedTuple):
    """A token and where its text begins.

    Attributes:
        scores: The token; None for the first of a prompt, which nothing predicts.
        token: Its id.
        offset: Characters of the text before it.
    """

    token: int
    scores: TokenScores | None
    offset: int


class Piece(NamedTuple):
    """Some more of a text. All pieces together are the text and its tokens."""

    text: str
    tokens: tuple[PlacedToken, ...]


class ChoiceText:
    """Turns the tokens of one sequence into pieces of text.

    A piece has the tokens whose text begins in it or before; those of a stop string are left out.

    Args:
        token_bytes: What tokens spell.
        stops: Strings that end the text.
        offset: Characters that stand before this text, such as an echoed prompt's.
    """

    def __init__(self, token_bytes: TokenBytes, stops: Sequence[str], offset: int = 0) -> None:
        self._decoder = TokenDecoder(token_bytes)
        self._stops = StopStrings(stops)
        self._waiting: deque[PlacedToken] = deque()
        self._decoded = self._released = offset

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come; nothing follows then."""
        return self._stops.found

    def push(self, scores: TokenScores) -> Piece:
        """Adds a token; the piece is empty while its text is not certain."""
        self._waiting.append(PlacedToken(scores.token, scores, self._decoded))
        return self._piece(self._text(self._decoder.push(scores.token)))

    def end(self) -> Piece:
        """What is left at the end, with all tokens unless a stop string cuts them off."""
        text = "" if self.stopped else self._text(self._decoder.end())
        text += self._stops.end()
        piece = self._piece(text)
        if self.stopped:
            return piece
        rest = tuple(self._waiting)
        self._waiting.clear()
        return Piece(piece.text, piece.tokens + rest)

    def _text(self, decoded: str) -> str:
        self._decoded += len(decoded)
        return self._stops.push(decoded)

    def _piece(self, text: str) -> Piece:
        self._released += len(text)
        tokens = []
        while self._waiting and self._waiting[0].offset < self._released:
            tokens.append(self._waiting.popleft())
        return Piece(text, tuple(tokens))


def prompt_piece(
    token_bytes: TokenBytes, prompt: Sequence[int], scores: Sequence[TokenScores]
) -> Piece:
    """An echoed prompt.

    Args:
        token_bytes: What tokens spell.
        prompt: Its ids.
        scores: Of all its tokens but the first, or none at all.
    """
    decoder = TokenDecoder(token_bytes)
    known: list[TokenScores | None] = [None, *scores] if scores else [None] * len(prompt)
    text, tokens = "", []
    for token, score in zip(prompt, known, strict=True):
        tokens.append(PlacedToken(token, score, len(text)))
        text += decoder.push(token)
    return Piece(text + decoder.end(), tuple(tokens))
