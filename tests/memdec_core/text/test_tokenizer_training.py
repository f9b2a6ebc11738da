"""The tokenizer trained from scratch: lossless, deterministic, complete when saved."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memdec_core.errors import UserError
from memdec_core.text.tokenizer_loading import load_tokenizer, train_tokenizer
from memdec_core.text.tokenizer_match import explain_difference, real_vocab_size
from tests.support.tiny_models import TEXTS

TRAINED = train_tokenizer(TEXTS, 350)


@given(st.text(max_size=100))
@settings(deadline=None)
def test_any_text_survives_the_round_trip(text: str) -> None:
    ids = TRAINED.backend_tokenizer.encode(text).ids
    assert TRAINED.backend_tokenizer.decode(ids, skip_special_tokens=False) == text


def test_the_vocabulary_has_the_wanted_size_and_the_end_of_text_first() -> None:
    assert real_vocab_size(TRAINED) == 350
    assert TRAINED.eos_token_id == TRAINED.bos_token_id == 0
    assert TRAINED.eos_token == "<|endoftext|>"


def test_merges_make_the_training_text_shorter() -> None:
    assert len(TRAINED(TEXTS[0])["input_ids"]) < 0.6 * len(TEXTS[0])


@pytest.mark.parametrize("parallel", ["true", "false"])
def test_order_and_threads_do_not_change_the_tokenizer(
    parallel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", parallel)
    again = train_tokenizer(reversed(TEXTS), 350)
    assert again.backend_tokenizer.to_str() == TRAINED.backend_tokenizer.to_str()


def test_the_saved_tokenizer_is_the_trained_one(tmp_path: Path) -> None:
    TRAINED.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert explain_difference(loaded, TRAINED) is None
    assert loaded.eos_token_id == 0


def test_a_vocabulary_smaller_than_the_bytes_is_refused() -> None:
    with pytest.raises(UserError, match="at least 257"):
        train_tokenizer(TEXTS, 256)
