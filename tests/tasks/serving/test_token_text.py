import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.text.token_spelling import TokenSpelling
from tasks.serving.token_text import TokenBytes, TokenDecoder
from tests.support.tiny_models import TEXTS, tiny_sentencepiece_tokenizer, tiny_tokenizer

BYTE_LEVEL = tiny_tokenizer()
PIECES = tiny_sentencepiece_tokenizer()
SPELLED = {id(each): TokenBytes(TokenSpelling(each)) for each in (BYTE_LEVEL, PIECES)}


def pushed(tokens: list[int], token_bytes: TokenBytes) -> list[str]:
    decoder = TokenDecoder(token_bytes)
    return [*(decoder.push(token) for token in tokens), decoder.end()]


@given(st.lists(st.integers(0, 399), max_size=40))
def test_any_tokens_become_what_the_tokenizer_decodes_them_to(tokens: list[int]) -> None:
    """Random tokens of a byte-level vocabulary are mostly broken characters."""
    token_bytes = SPELLED[id(BYTE_LEVEL)]
    whole = BYTE_LEVEL.backend_tokenizer.decode(tokens, skip_special_tokens=False)
    assert "".join(pushed(tokens, token_bytes)) == whole == token_bytes.text(tokens)


@pytest.mark.parametrize("tokenizer", [BYTE_LEVEL, PIECES])
@given(text=st.one_of(st.text(), st.sampled_from(TEXTS)))
def test_no_part_of_a_character_is_let_out(tokenizer: object, text: str) -> None:
    known = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)  # type: ignore[attr-defined]
    pieces = pushed(known.ids, SPELLED[id(tokenizer)])
    if "�" not in text:
        assert "�" not in "".join(pieces)
    assert "".join(pieces).strip() == text.strip()


@given(st.lists(st.integers(3, 408), max_size=40))
def test_bytes_that_make_no_character_do_not_stop_a_vocabulary_of_pieces(tokens: list[int]) -> None:
    token_bytes = SPELLED[id(PIECES)]
    text = "".join(pushed(tokens, token_bytes))
    assert text == b"".join(token_bytes[token] for token in tokens).decode(errors="replace")


def test_a_token_without_whole_characters_is_named_by_its_bytes() -> None:
    token_bytes = SPELLED[id(BYTE_LEVEL)]
    (first, second) = BYTE_LEVEL("ß", add_special_tokens=False)["input_ids"]
    assert (token_bytes.name(first), token_bytes.name(second)) == ("bytes:\\xc3", "bytes:\\x9f")
    assert token_bytes.name(0) == "<|endoftext|>"
    assert token_bytes.name(10_000) == ""
