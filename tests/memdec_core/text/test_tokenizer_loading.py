"""Tokenizers load exactly as tokenizer.json says; what is wrong with one is said at once."""

import re
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.text.tokenizer_loading import complete_tokenizer, load_tokenizer
from memdec_core.text.tokenizer_match import explain_difference
from tests.support.tiny_models import TEXTS, tiny_model_folder, tiny_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model_folder(tmp_path)


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2", "qwen3", "llama"])
def test_the_tokenizer_is_that_of_tokenizer_json_whatever_the_model(
    architecture: str, tmp_path: Path
) -> None:
    # AutoTokenizer gives a qwen2 model Qwen2's normaliser and pre-tokeniser instead
    loaded = load_tokenizer(tiny_model_folder(tmp_path, architecture))
    assert explain_difference(loaded, tiny_tokenizer()) is None


def test_a_tokenizer_that_is_missing_or_broken_is_refused(folder: Path) -> None:
    whole = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read as a tokenizer"):
        load_tokenizer(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=re.escape("tokenizer.json is missing")):
        load_tokenizer(folder)


def test_vocabulary_and_merges_files_become_a_fast_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    tiny_tokenizer().backend_tokenizer.model.save(str(folder))
    complete_tokenizer(folder)
    loaded = load_tokenizer(folder)
    assert loaded.eos_token_id == 0
    for text in TEXTS:
        assert loaded(text)["input_ids"] == tiny_tokenizer()(text)["input_ids"]


def test_an_end_of_sequence_token_that_only_the_model_knows_is_noted(folder: Path) -> None:
    PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer().backend_tokenizer).save_pretrained(
        folder
    )
    assert load_tokenizer(folder).eos_token_id is None
    complete_tokenizer(folder)
    assert load_tokenizer(folder).eos_token_id == 0


def test_a_whole_tokenizer_is_left_untouched(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    complete_tokenizer(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<one>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match="401 tokens and the model only 400"):
        complete_tokenizer(folder)


def test_a_folder_without_any_tokenizer_cannot_be_completed(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="cannot be made from the other files"):
        complete_tokenizer(folder)
