"""What tokens stand for and how texts are cut, against the tokenizers' own coders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AddedToken, PreTrainedTokenizerFast

from memdec_core.text.token_spelling import TokenSpelling
from tests.oracles.bpe_oracle import encode_by_hand
from tests.support.tiny_models import TEXTS, tiny_sentencepiece_tokenizer, tiny_tokenizer

BYTE_LEVEL, SENTENCEPIECE = tiny_tokenizer(), tiny_sentencepiece_tokenizer()
TOKENIZERS = [BYTE_LEVEL, SENTENCEPIECE]
NAMES = ["byte-level", "sentencepiece"]
SPELLINGS = [TokenSpelling(tokenizer) for tokenizer in TOKENIZERS]

# neither special tokens nor the mark that sentencepiece takes for a space
texts = st.text(st.characters(exclude_characters="▁<", exclude_categories=["Cs"]))
readable = st.lists(st.sampled_from([*" ,\n日é", *"".join(TEXTS).split()])).map(" ".join)


def read(spelling: TokenSpelling, ids: list[int]) -> bytes:
    found = [spelling.texts[token_id] for token_id in ids]
    return b"".join(text for text in found if isinstance(text, bytes))


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=NAMES)
def test_a_token_stands_for_what_its_decoder_gives(tokenizer: PreTrainedTokenizerFast) -> None:
    compared = 0
    for token_id, text in TokenSpelling(tokenizer).texts.items():
        decoded = tokenizer.backend_tokenizer.decode([token_id], skip_special_tokens=False)
        if "\ufffd" not in decoded:  # a decoder cannot show a part of a character
            assert (text if isinstance(text, str) else text.decode()) == decoded
            compared += 1
    assert compared > len(tokenizer) // 2


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=NAMES)
def test_every_id_is_read_and_special_tokens_stand_for_no_text(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    read_texts = TokenSpelling(tokenizer).texts
    assert list(read_texts) == list(range(len(tokenizer)))
    special = {text for text in read_texts.values() if isinstance(text, str)}
    assert special == set(tokenizer.all_special_tokens)


def test_an_added_token_that_is_not_special_stands_for_its_own_text() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken("Ġ<tool> é", special=False)])
    assert TokenSpelling(tokenizer).texts[400] == "Ġ<tool> é".encode()


@given(texts | readable)
def test_the_tokens_of_a_text_stand_for_its_bytes(text: str) -> None:
    for tokenizer, spelling in zip(TOKENIZERS, SPELLINGS, strict=True):
        spelled = read(spelling, tokenizer.backend_tokenizer.encode(text).ids)
        space = spelling is SPELLINGS[1] and not text.startswith(" ") and text != ""
        assert spelled == b" " * space + text.encode()  # sentencepiece puts a space in front


@given(st.binary() | readable.map(str.encode))
def test_pieces_spell_any_bytes(text: bytes) -> None:
    if b"\xe2\x96\x81" not in text:
        for spelling in SPELLINGS:
            assert read(spelling, spelling.pieces(text)) == text


@given(texts | readable)
def test_pieces_are_those_of_byte_pair_encoding(text: str) -> None:
    for tokenizer, spelling in zip(TOKENIZERS, SPELLINGS, strict=True):
        assert spelling.pieces(text.encode()) == encode_by_hand(tokenizer, text)
