"""Model folders load exactly, and what is wrong with one is said before anything is computed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from memdec_core.errors import UserError
from memdec_core.models.model_loading import describe_model, load_model, new_model, resolve_device
from memdec_core.models.models_config import PretrainConfig
from memdec_core.text.text_config import CorpusConfig
from tests.support.tiny_models import tiny_model, tiny_model_folder

CORPUS = CorpusConfig(documents=("docstrings:stdlib",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model_folder(tmp_path)


def edit_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2", "qwen3", "llama"])
def test_a_saved_model_loads_with_the_same_logits(architecture: str, tmp_path: Path) -> None:
    loaded = load_model(tiny_model_folder(tmp_path, architecture, seed=3))
    assert not loaded.training
    ids = torch.arange(20)[None]
    with torch.no_grad():
        expected = tiny_model(architecture, seed=3)(ids).logits
        torch.testing.assert_close(loaded(ids).logits, expected, rtol=0, atol=0)


def test_weights_take_the_wanted_type(folder: Path) -> None:
    model = load_model(folder, "cpu", torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def cut_in_half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


BROKEN: list[tuple[Callable[[Path], Any], str]] = [
    (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    (lambda f: (f / "config.json").write_text("{"), "not a valid JSON"),
    (lambda f: edit_json(f / "config.json", model_type="unheard-of"), "not a model that transf"),
    (lambda f: edit_json(f / "config.json", model_type="t5"), "causal language model"),
    (lambda f: (f / "model.safetensors").unlink(), "no file named model.safetensors"),
    (lambda f: cut_in_half(f / "model.safetensors"), "cannot be loaded"),
    (lambda f: edit_json(f / "config.json", n_layer=3), "lack 12 tensors .* transformer.h.2"),
    (lambda f: edit_json(f / "config.json", n_embd=64), "28 tensors do not have the shape"),
]


@pytest.mark.parametrize(("damage", "words"), BROKEN)
def test_a_broken_model_folder_is_refused_with_what_is_wrong(
    damage: Callable[[Path], Any], words: str, folder: Path
) -> None:
    damage(folder)
    with pytest.raises(UserError, match=words) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("architecture", ["gpt2", "qwen3", "llama"])
def test_a_new_model_follows_its_configuration_and_seed(architecture: str, tmp_path: Path) -> None:
    config = PretrainConfig(
        corpus=CORPUS, architecture=architecture, layers=2, width=32, heads=2, context_length=64
    )
    before = torch.random.get_rng_state()
    one, same = new_model(config, 300, 0), new_model(config, 300, 0)
    other = new_model(config.model_copy(update={"seed": 1}), 300, 0)
    assert torch.equal(torch.random.get_rng_state(), before)
    weights = one.get_input_embeddings().weight
    assert torch.equal(weights, same.get_input_embeddings().weight)
    assert not torch.equal(weights, other.get_input_embeddings().weight)
    assert one.get_output_embeddings().weight is weights
    one.save_pretrained(tmp_path)
    described = describe_model(tmp_path)
    assert described == {
        "architecture": architecture,
        "parameters": one.num_parameters(),
        "layers": 2,
        "width": 32,
        "vocab_size": 300,
        "context_length": 64,
    }
    assert load_model(tmp_path)(torch.arange(64)[None]).logits.shape == (1, 64, 300)


def test_auto_means_the_processor_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="`cuda` is set"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float32])
def test_weights_are_loaded_in_the_type_they_are_stored_in_if_asked(
    tmp_path: Path, stored: torch.dtype
) -> None:
    folder = tiny_model_folder(tmp_path)
    tiny_model().to(stored).save_pretrained(folder)
    assert load_model(folder, dtype="auto").dtype == stored
    assert load_model(folder).dtype == torch.float32
