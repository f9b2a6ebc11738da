"""`memdec tokenizers` on model folders."""

import json
from pathlib import Path

import pytest

from tests.services.command_line import memdec, memdec_json
from tests.support.tiny_models import tiny_model_folder
from tests.support.tokenizer_family import longer_tokenizer


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_model_folder(folder, name="short")
    tiny_model_folder(folder, name="long", vocab_size=512, tokenizer=longer_tokenizer())
    tiny_model_folder(folder, name="other", vocab_size=300)
    return folder


def test_what_two_models_share_is_said_with_what_they_do_not(models: Path) -> None:
    done = memdec("tokenizers", models / "short", models / "long")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "compatible: both mean the same by 400 ids",
        "note: the second tokenizer has 10 added tokens past the 400 shared ids, such as "
        "'<|im_start|>', '<|im_end|>', '<tool_0>'; they get no probability in a mixture",
    ]
    found = memdec_json("tokenizers", models / "long", models / "short")
    assert (found["compatible"], found["shared_vocab_size"], found["difference"]) == (
        True, 400, None,
    )  # fmt: skip
    assert len(found["notes"]) == 1


def test_incompatible_models_exit_with_one_and_say_why(models: Path) -> None:
    done = memdec("tokenizers", models / "short", models / "other", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert (found["compatible"], found["shared_vocab_size"], found["notes"]) == (False, 0, [])
    assert "the vocabularies differ (400 and 300 tokens)" in found["difference"]


def test_a_folder_that_is_not_there_is_a_mistake(models: Path) -> None:
    done = memdec("tokenizers", models / "short", models / "absent")
    assert (done.returncode, done.stdout) == (2, "")
    assert "absent: no such folder" in done.stderr
