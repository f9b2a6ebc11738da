"""The base_model stage: what identifies a model, and the copy in the store."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.models.model_loading import load_model
from memdec_core.models.models_config import BaseModelConfig
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.models.model_folder import ModelFolderError
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.identity.base_model_identity import base_model_identity
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.build_base_model import copy_base_model
from tests.support.jobs import make_job
from tests.support.tiny_models import CHAT_TEMPLATE, tiny_model_folder, tiny_tokenizer

REF = ArtifactRef(stage="base_model", fingerprint="0" * 32)


def shard_run(store: Store, config: BaseModelConfig, identity: dict[str, JsonValue]) -> ShardRun:
    job = make_job(REF, {"base_model": config.model_dump(mode="json")}, {}, identity=identity)
    writer = store.writer(REF, "all", "1" * 32)
    settings = RunSettings(store=store.url)
    return ShardRun(job, "all", settings, store, writer, lambda *_: None)


def test_a_folder_is_copied_as_it_is_and_described(store: Store, tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path, "qwen3", context_length=128)
    config = BaseModelConfig(name=str(folder))
    run = shard_run(store, config, base_model_identity(config))
    assert copy_base_model(run) == {
        "architecture": "qwen3",
        "parameters": load_model(folder).num_parameters(),
        "layers": 2,
        "width": 32,
        "vocab_size": 400,
        "context_length": 128,
        "tokenizer_vocab_size": 400,
    }
    shutil.rmtree(folder)
    ids = torch.arange(10)[None]
    again = load_model(tiny_model_folder(tmp_path, "qwen3", context_length=128))
    assert torch.equal(load_model(run.writer.folder)(ids).logits, again(ids).logits)


def test_a_fast_tokenizer_is_saved_where_there_was_none(store: Store, tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    tiny_tokenizer().backend_tokenizer.model.save(str(folder))
    config = BaseModelConfig(name=str(folder))
    run = shard_run(store, config, base_model_identity(config))
    copy_base_model(run)
    text = "the memory of a small model"
    assert load_tokenizer(run.writer.folder)(text) == tiny_tokenizer()(text)
    assert not (folder / "tokenizer.json").exists()


@pytest.mark.parametrize("place", ["chat_template.jinja", "tokenizer_config.json"])
@pytest.mark.parametrize("names_its_end", [True, False])
def test_a_chat_template_stays_with_the_model(
    store: Store, tmp_path: Path, place: str, names_its_end: bool
) -> None:
    folder = tiny_model_folder(tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    if not names_its_end:  # then the copy's tokenizer is saved anew
        settings["eos_token"] = None
    if place == "chat_template.jinja":
        (folder / place).write_text(CHAT_TEMPLATE)
    else:
        settings["chat_template"] = CHAT_TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = BaseModelConfig(name=str(folder))
    run = shard_run(store, config, base_model_identity(config))
    copy_base_model(run)
    copied = load_tokenizer(run.writer.folder)
    assert copied.chat_template == CHAT_TEMPLATE
    assert copied.eos_token == "<|endoftext|>"


def test_a_folder_s_identity_is_its_content(tmp_path: Path) -> None:
    one = tiny_model_folder(tmp_path, name="one")
    same = tiny_model_folder(tmp_path, name="same")
    other = tiny_model_folder(tmp_path, name="other", seed=1)
    identities = [base_model_identity(BaseModelConfig(name=str(f))) for f in (one, same, other)]
    assert identities[0] == identities[1] != identities[2]
    assert str(tmp_path) not in str(identities)


def test_a_folder_that_changed_since_the_plan_is_refused(store: Store, tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path)
    config = BaseModelConfig(name=str(folder))
    run = shard_run(store, config, base_model_identity(config))
    tiny_model_folder(tmp_path, name=folder.name, seed=1)
    with pytest.raises(UserError, match="changed since the run was planned"):
        copy_base_model(run)


def test_a_model_that_cannot_be_used_is_called_by_the_name_its_user_gave(
    store: Store, tmp_path: Path
) -> None:
    folder = tiny_model_folder(tmp_path)
    (folder / "config.json").write_text('{"model_type": "t5", "vocab_size": 400}')
    config = BaseModelConfig(name=str(folder))
    run = shard_run(store, config, base_model_identity(config))
    with pytest.raises(UserError, match=f"base_model.name: {folder}: .* no causal language model"):
        copy_base_model(run)


def test_the_general_corpus_of_a_pretrained_model_is_an_input_not_its_identity() -> None:
    def identity(documents: str, layers: int) -> dict[str, JsonValue]:
        pretrain = {"corpus": {"documents": [documents]}, "layers": layers}
        return base_model_identity(BaseModelConfig.model_validate({"pretrain": pretrain}))

    assert identity("some/folder", 2) == identity("elsewhere", 2) != identity("some/folder", 3)
    assert "some/folder" not in str(identity("some/folder", 2))


def test_a_revision_of_a_folder_is_refused(tmp_path: Path) -> None:
    config = BaseModelConfig(name=str(tiny_model_folder(tmp_path)), revision="main")
    with pytest.raises(UserError, match="is a local folder, which has no revisions"):
        base_model_identity(config)


@pytest.mark.parametrize("name", ["./models/absent", "/absent/model", "models/of/mine"])
def test_a_path_that_is_not_there_is_never_sought_on_the_hub(name: str) -> None:
    with pytest.raises(ModelFolderError, match="no such folder; check the `name`"):
        base_model_identity(BaseModelConfig(name=name))
