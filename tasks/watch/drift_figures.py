"""What is measured of new text, and of how much of it."""

from dataclasses import dataclass

from pydantic import JsonValue

SAMPLE_TOKENS = 20_000
"""Of the new text, for the perplexity."""

SAMPLE_CHARACTERS = 8 * SAMPLE_TOKENS
"""Enough for the sample: in no tokenizer that we know is a token of prose this long on average."""


@dataclass(frozen=True)
class Drift:
    """What was measured of new text.

    Attributes:
        tokens: Its tokens, separators of documents included, as the tokens stage counts them.
        figures: By name; None where something could not be measured.
        picture: PNG of the tokens whose frequency changed the most.
    """

    tokens: int
    figures: dict[str, JsonValue]
    picture: bytes
