"""A model folder's identity is its content; what is missing is named."""

import json
from pathlib import Path

import pytest

from storage.models.model_folder import ModelFolderError, copy_model_folder, model_folder_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a model in two shards, with bytes of no meaning."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text(f"{name} content")
    shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for name in shards:
        (folder / name).write_bytes(name.encode())
    index = {"weight_map": {"a": shards[0], "b": shards[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_the_digest_depends_on_the_content_alone(folder: Path, tmp_path: Path) -> None:
    digest = model_folder_digest(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    for name in ("README.md", "optimizer.pt", "pytorch_model.bin", "trainer_state.json"):
        (moved / name).write_text("no part of the model")
    (moved / "checkpoint-1").mkdir()
    assert model_folder_digest(moved) == digest


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "model-00002-of-00002.safetensors"]
)
def test_a_changed_file_changes_the_digest(folder: Path, name: str) -> None:
    digest = model_folder_digest(folder)
    (folder / name).write_bytes((folder / name).read_bytes() + b"!")
    assert model_folder_digest(folder) != digest


def test_files_that_swap_their_content_change_the_digest(folder: Path) -> None:
    digest = model_folder_digest(folder)
    one, two = folder / "config.json", folder / "tokenizer_config.json"
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
    assert model_folder_digest(folder) != digest


def test_a_copy_follows_links_and_leaves_the_rest(folder: Path, tmp_path: Path) -> None:
    blob = (folder / "config.json").rename(tmp_path / "blob")
    (folder / "config.json").symlink_to(blob)
    (folder / "pytorch_model.bin").write_text("pickle")
    (folder / "consolidated.safetensors").write_text("the weights again")
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_model_folder(folder, copy)
    assert not any(path.is_symlink() for path in copy.iterdir())
    assert model_folder_digest(copy) == model_folder_digest(folder)
    assert not (copy / "pytorch_model.bin").exists()
    assert not (copy / "consolidated.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.json", r"config\.json is missing"),
        ("tokenizer.json", "the tokenizer is missing"),
        ("model-00002-of-00002.safetensors", "names 1 files of weights.*model-00002-of"),
    ],
)
def test_a_missing_file_is_named(folder: Path, name: str, words: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=words) as caught:
        model_folder_digest(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("index", ["{", "[]", '{"weight_map": 3}'])
def test_an_index_that_is_none_is_named(folder: Path, index: str) -> None:
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelFolderError, match="not an index of weights"):
        model_folder_digest(folder)


def test_pickled_weights_are_refused_with_the_way_to_convert_them(folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        path.rename(path.with_suffix(".bin"))
    with pytest.raises(ModelFolderError, match=r"00001-of-00002\.bin is there.*save_pretrained"):
        model_folder_digest(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="absent: no such folder; check the `name`"):
        copy_model_folder(tmp_path / "absent", tmp_path)
