"""Hub models against a hub on this machine: commits, downloads, and what can be missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from storage.models.hub_model import copy_hub_model, hub_commit, hub_tokenizer
from storage.models.model_folder import ModelFolderError, model_folder_digest, tokenizer_digest
from tests.services.tiny_hub import commit_of, serve_models
from tests.support.tiny_models import tiny_model_folder

TINY = "some-owner/tiny"


def connect_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT does when it is set before the first import."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's repository with files that are not for us."""
    folder = tiny_model_folder(tmp_path)
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "README.md").write_text("# a model")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    return folder


@pytest.fixture(autouse=True)
def no_other_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    connect_to("http://127.0.0.1:9", monkeypatch)  # nobody answers there


@pytest.fixture
def hub(model: Path, tmp_path: Path) -> Iterator[str]:
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin"):
        (pickled / name).write_bytes((model / name).read_bytes())
    with serve_models({TINY: model, "some-owner/pickled": pickled}) as address:
        yield address


@pytest.fixture
def online(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(hub, monkeypatch)


@pytest.mark.usefixtures("online")
def test_a_model_is_known_by_its_commit_and_copied_without_what_it_does_not_need(
    model: Path, tmp_path: Path
) -> None:
    assert hub_commit(TINY) == hub_commit(TINY, "main") == commit_of(TINY)
    (tmp_path / "copy").mkdir()
    copy_hub_model(TINY, commit_of(TINY), tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert model_folder_digest(tmp_path / "copy") == model_folder_digest(model)
    assert not list((tmp_path / "cache").rglob("pytorch_model.bin"))


@pytest.mark.usefixtures("online")
def test_pickled_weights_are_refused_before_anything_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"only pytorch_model\.bin is there.*save_pretrain"):
        hub_commit("some-owner/pickled")
    assert not list((tmp_path / "cache").rglob("*.bin"))


@pytest.mark.usefixtures("online")
def test_a_model_or_revision_that_the_hub_does_not_have_is_named() -> None:
    with pytest.raises(ModelFolderError, match="some-owner/absent is neither a folder here nor"):
        hub_commit("some-owner/absent")
    with pytest.raises(ModelFolderError, match=r"base_model\.revision.*v9"):
        hub_commit(TINY, "v9")
    with pytest.raises(ModelFolderError, match="neither a folder here nor the id"):
        hub_commit("not an id at all!")


def test_without_a_connection_the_message_says_how_to_do_without() -> None:
    with pytest.raises(ModelFolderError, match=r"cannot be reached.*hf download some-owner/tiny"):
        hub_commit(TINY)


def test_without_a_connection_a_commit_is_taken_at_its_word_but_must_be_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # or it tries for half a minute
    assert hub_commit(TINY, commit_of(TINY)) == commit_of(TINY)
    with pytest.raises(ModelFolderError, match="cannot be reached"):
        copy_hub_model(TINY, commit_of(TINY), tmp_path)


def test_without_a_connection_the_cache_of_an_earlier_download_is_enough(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as online:
        connect_to(hub, online)
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
        copy_hub_model(TINY, "main", tmp_path / "first")
    assert hub_commit(TINY) == commit_of(TINY)
    copy_hub_model(TINY, commit_of(TINY), tmp_path / "second")
    assert model_folder_digest(tmp_path / "second") == model_folder_digest(tmp_path / "first")


@pytest.mark.usefixtures("online")
def test_a_tokenizer_is_downloaded_without_the_weights(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hub_tokenizer(TINY, commit_of(TINY))
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "tokenizer.json", "tokenizer_config.json"}
    assert tokenizer_digest(folder) == tokenizer_digest(model)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    connect_to("http://127.0.0.1:9", monkeypatch)
    assert hub_tokenizer(TINY, commit_of(TINY)) == folder, "the second time from the cache"


def test_a_tokenizer_that_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # or it tries for half a minute
    with pytest.raises(ModelFolderError, match=r"hub model some-owner/tiny.*cannot be reached"):
        hub_tokenizer(TINY, commit_of(TINY))
