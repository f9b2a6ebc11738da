"""Documents become ids: special tokens in text, separators, batches, nasty documents."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.text import tokenization
from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenization import EncodedDocuments, encode_documents, token_dtype
from tests.support.tiny_models import TEXTS, tiny_tokenizer

TINY = tiny_tokenizer()
EOS = TINY.eos_token_id
Make = Callable[[], PreTrainedTokenizerFast]
PLAIN = TokensConfig(separator="none")

# texts of shared/data/bad/special_tokens.jsonl
SPECIAL_TEXTS = [
    "text with <|endoftext|> inside",
    "<unk> <s> </s> <pad> [MASK] [CLS]",
    "<|endoftext|>",
    "\\n literal backslash n, \\u0041, %s {0} ${HOME}",
]


def qwen_like() -> PreTrainedTokenizerFast:
    """NFC, a split by regular expression, special tokens added beyond the vocabulary."""
    backend = Tokenizer(BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(
                Regex(r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"), "isolated"
            ),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        TEXTS, BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    backend.add_special_tokens([AddedToken("<|endoftext|>", special=True, normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>")


def llama_like() -> PreTrainedTokenizerFast:
    """Sentencepiece's way: a mark for spaces, no pre-tokeniser, a template that adds <s>."""
    backend = Tokenizer(BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend.train_from_iterator(
        TEXTS, BpeTrainer(vocab_size=500, special_tokens=specials[:3], show_progress=False)
    )
    state = json.loads(backend.to_str())
    state["pre_tokenizer"] = None
    state["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    vocab = state["model"]["vocab"]
    vocab.update({token: len(vocab) + i for i, token in enumerate(specials[3:])})
    state["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def encode(
    texts: list[str], config: TokensConfig, tokenizer: PreTrainedTokenizerFast = TINY
) -> EncodedDocuments:
    blocks = list(encode_documents(tokenizer, texts, config))
    return EncodedDocuments(
        np.concatenate([b.token_ids_T for b in blocks]),
        np.concatenate([b.lengths_D for b in blocks]),
    )


def documents(encoded: EncodedDocuments) -> list[list[int]]:
    ends = np.cumsum(encoded.lengths_D)[:-1]
    return [part.tolist() for part in np.split(encoded.token_ids_T, ends)]


@pytest.mark.parametrize("make", [tiny_tokenizer, qwen_like, llama_like])
def test_special_tokens_written_in_a_text_are_text(make: Make) -> None:
    tokenizer = make()
    for ids in documents(encode(SPECIAL_TEXTS, PLAIN, tokenizer)):
        assert not set(ids) & set(tokenizer.all_special_ids)


@pytest.mark.parametrize("make", [tiny_tokenizer, qwen_like])
def test_texts_with_special_tokens_survive_the_round_trip(make: Make) -> None:
    tokenizer = make()
    for text, ids in zip(
        SPECIAL_TEXTS, documents(encode(SPECIAL_TEXTS, PLAIN, tokenizer)), strict=True
    ):
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_every_document_ends_with_one_separator_and_none_begins_with_a_special_token() -> None:
    tokenizer = llama_like()
    config = TokensConfig(separator="eos")
    for ids in documents(encode(["a memory", "", "<s> a token </s>"], config, tokenizer)):
        assert ids.count(tokenizer.eos_token_id) == 1
        assert ids[-1] == tokenizer.eos_token_id
        assert tokenizer.bos_token_id not in ids


def test_without_a_separator_an_empty_document_has_no_tokens() -> None:
    encoded = encode(["", "memory", ""], PLAIN)
    assert encoded.lengths_D.tolist()[0] == encoded.lengths_D.tolist()[2] == 0
    assert encoded.lengths_D.sum() == len(encoded.token_ids_T) > 0


@given(st.lists(st.text(max_size=40), min_size=1, max_size=12), st.integers(1, 60))
@settings(deadline=None, max_examples=40)
def test_the_cut_into_batches_changes_nothing(texts: list[str], batch_characters: int) -> None:
    whole = encode(texts, TokensConfig())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenization, "BATCH_CHARACTERS", batch_characters)
        pieces = encode(texts, TokensConfig())
    assert documents(pieces) == documents(whole)
    alone = [[*TINY.backend_tokenizer.encode(text).ids, EOS] for text in texts]
    assert documents(whole) == alone


@given(st.text(max_size=200))
@settings(deadline=None)
def test_byte_level_ids_decode_to_the_text(text: str) -> None:
    [ids] = documents(encode([text], PLAIN))
    assert TINY.backend_tokenizer.decode(ids) == text


def test_truncation_and_padding_stored_with_a_tokenizer_are_ignored_and_left_as_they_were() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    assert documents(encode(TEXTS, PLAIN, tokenizer)) == documents(encode(TEXTS, PLAIN))
    assert tokenizer.backend_tokenizer.truncation["max_length"] == 3
    assert tokenizer.backend_tokenizer.encode_special_tokens is False


def test_a_separator_needs_a_tokenizer_with_an_end_of_sequence_token() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=TINY.backend_tokenizer)
    with pytest.raises(UserError, match=r"tokens\.separator.*`none`"):
        encode(["text"], TokensConfig(), tokenizer)


def test_ids_take_two_bytes_up_to_65536_of_them() -> None:
    assert (token_dtype(65_536), token_dtype(65_537)) == (np.uint16, np.uint32)
    assert encode(["text"], PLAIN).token_ids_T.dtype == np.uint16


def test_a_megabyte_of_one_letter_takes_seconds() -> None:
    started = time.monotonic()
    encoded = encode(["a" * 1_000_000, " " * 200_000 + "\n" * 200_000], PLAIN)
    assert time.monotonic() - started < 20
    assert TINY.decode(encoded.token_ids_T[: encoded.lengths_D[0]]) == "a" * 1_000_000


def test_the_saved_tokenizer_gives_the_same_ids(tmp_path: Path) -> None:
    TINY.save_pretrained(tmp_path)
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    again = encode(TEXTS + SPECIAL_TEXTS, TokensConfig(), loaded)
    assert documents(again) == documents(encode(TEXTS + SPECIAL_TEXTS, TokensConfig()))
