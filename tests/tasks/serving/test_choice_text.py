from hypothesis import given
from hypothesis import strategies as st

from memdec_core.serving.request import TokenScores
from memdec_core.text.token_spelling import TokenSpelling
from tasks.serving.choice_text import ChoiceText, Piece, PlacedToken, prompt_piece
from tasks.serving.token_text import TokenBytes
from tests.support.tiny_models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TOKEN_BYTES = TokenBytes(TokenSpelling(TOKENIZER))


def scored(token: int) -> TokenScores:
    return TokenScores(token, -1.0, (-1.0, -2.0))


def pieces_of(tokens: list[int], stops: list[str]) -> list[Piece]:
    text, pieces = ChoiceText(TOKEN_BYTES, stops), []
    for token in tokens:
        pieces.append(text.push(scored(token)))
        if text.stopped:
            return pieces
    return [*pieces, text.end()]


def placed(tokens: list[int]) -> list[tuple[int, int]]:
    """Every token with the number of characters that are complete before it."""
    return [
        (token, len(TOKEN_BYTES.text(tokens[:n]).removesuffix("�") if n else ""))
        for n, token in enumerate(tokens)
    ]


@given(st.lists(st.integers(0, 399), max_size=25))
def test_without_stop_strings_all_text_and_all_tokens_come(tokens: list[int]) -> None:
    pieces = pieces_of(tokens, [])
    assert "".join(piece.text for piece in pieces) == TOKEN_BYTES.text(tokens)
    assert [token.token for piece in pieces for token in piece.tokens] == tokens


def test_tokens_stand_where_their_text_begins() -> None:
    tokens = TOKENIZER("The memory of a naïve ½ café", add_special_tokens=False)["input_ids"]
    pieces = pieces_of(tokens, [])
    found = [(token.token, token.offset) for piece in pieces for token in piece.tokens]
    assert found == placed(tokens)
    assert all(piece.text or not piece.tokens for piece in pieces)


def test_tokens_of_a_stop_string_are_left_out() -> None:
    tokens = TOKENIZER("the model reads what it is given", add_special_tokens=False)["input_ids"]
    for stop, text in ((" reads", "the model"), ("ads wh", "the model re"), ("the", "")):
        pieces = pieces_of(tokens, [stop])
        assert "".join(piece.text for piece in pieces) == text
        kept = [token for piece in pieces for token in piece.tokens]
        assert all(token.offset < len(text) for token in kept)
        assert len(kept) == sum(offset < len(text) for _token, offset in placed(tokens))


def test_a_character_left_unfinished_is_replaced_at_the_end() -> None:
    first, _second = TOKENIZER("ß", add_special_tokens=False)["input_ids"]
    *_, last = pieces_of([first], [])
    assert last == Piece("�", (PlacedToken(first, scored(first), 0),))


def test_an_echoed_prompt_has_no_score_for_its_first_token() -> None:
    tokens = TOKENIZER("the tokens", add_special_tokens=False)["input_ids"]
    scores = [scored(token) for token in tokens[1:]]
    piece = prompt_piece(TOKEN_BYTES, tokens, scores)
    assert piece.text == "the tokens"
    assert [token.scores for token in piece.tokens] == [None, *scores]
    assert [(token.token, token.offset) for token in piece.tokens] == placed(tokens)
