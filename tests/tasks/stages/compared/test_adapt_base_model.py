"""DAPT and LoRA on small artifacts: they learn, resume to the bit, leave a plain model behind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import JsonValue
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from memdec_core.errors import UserError
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.compared.adapt_base_model import adapt_base_model_shard
from tests.support.artifacts import publish
from tests.support.interrupted_training import check_resumed_equals_whole, fill_tokens
from tests.support.jobs import make_job
from tests.support.tiny_models import tiny_model, tiny_tokenizer

VOCABULARY, WIDTH, LAYERS = 400, 16, 2

pytestmark = pytest.mark.usefixtures("one_thread")
PER_RANK = LAYERS * ((16 + 48) + (16 + 64) + (64 + 16))  # GPT-2's c_attn, c_fc and c_proj
LENGTHS = {"train": [[90, 1, 70], [120]], "valid": [[60, 40]]}
ADAPTATION: dict[str, JsonValue] = {
    "epochs": 2,
    "batch_tokens": 60,
    "micro_batch_tokens": 30,
    "learning_rate": 1e-2,
    "seed": 3,
}
DAPT: dict[str, JsonValue] = ADAPTATION | {"method": "dapt"}
LORA: dict[str, JsonValue] = ADAPTATION | {"method": "lora", "lora_rank": 2}
WINDOWS: dict[str, JsonValue] = {"length": 16, "stride": 8, "scope": "document"}


def make_inputs(store: Store) -> dict[str, ArtifactRef]:
    """Tokens below 40 of 400, and a base model whose head is padded to 448."""
    rng = np.random.default_rng(0)
    shards: dict[str, tuple[Callable[[Path], None], dict[str, JsonValue]]] = {}
    for split, parts in LENGTHS.items():
        for number, lengths in enumerate(parts):
            tokens = rng.integers(1, 40, sum(lengths)).astype(np.uint16)
            shards[f"{split}-{number:05d}"] = (fill_tokens(tokens, lengths), {})

    def fill_base(folder: Path) -> None:
        model = tiny_model("gpt2", vocab_size=448, width=WIDTH, layers=LAYERS)
        with torch.no_grad():  # through a random head as it comes, LoRA's changes hardly show
            model.get_output_embeddings().weight.mul_(20)
        model.save_pretrained(folder)
        tiny_tokenizer(VOCABULARY).save_pretrained(folder)

    return {
        "tokens": publish(store, "tokens", shards),
        "base_model": publish(store, "base_model", {"all": (fill_base, {})}),
    }


def fill_student(folder: Path) -> None:
    tiny_model("gpt2", vocab_size=VOCABULARY, width=16, layers=1).save_pretrained(folder)


def make_run(
    store: Store,
    inputs: dict[str, ArtifactRef],
    attempt: str,
    adaptation: dict[str, JsonValue],
    *,
    windows: dict[str, JsonValue] = WINDOWS,
    artifact: str = "a",
) -> ShardRun:
    ref = ArtifactRef(stage="adapted_model", fingerprint=artifact * 32)
    config: dict[str, JsonValue] = {"adaptation": adaptation, "windows": windows}
    job = make_job(ref, config, inputs)
    settings = RunSettings(device="cpu")
    return ShardRun(job, "all", settings, store, store.writer(ref, "all", attempt), lambda *_: None)


@pytest.mark.parametrize("adaptation", [DAPT, LORA], ids=["dapt", "lora"])
def test_an_adapted_model_is_a_plain_hugging_face_folder_that_has_learned(
    store: Store, adaptation: dict[str, JsonValue]
) -> None:
    inputs = make_inputs(store)
    run = make_run(store, inputs, "one", adaptation | {"epochs": 20})
    meta = adapt_base_model_shard(run)

    folder = run.writer.folder
    base = store.readers(inputs["base_model"])["all"].folder()
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    assert load_file(folder / "model.safetensors").keys() == (
        load_file(base / "model.safetensors").keys()
    )
    assert len(AutoTokenizer.from_pretrained(folder)) == VOCABULARY
    curve = pl.read_parquet(folder / "curves.parquet").to_dicts()
    valid = [point["loss"] for point in curve if point["split"] == "valid"]
    assert meta["valid_loss"] == min(valid) < 0.95 * valid[0]
    assert meta["valid_kl"] is None
    assert meta["positions_trained"] == 20 * (89 + 69 + 119)
    assert meta["parameters"] == model.num_parameters()
    assert mean_loss_of_valid(model, store, inputs) == pytest.approx(meta["valid_loss"], rel=1e-5)


def mean_loss_of_valid(
    model: torch.nn.Module, store: Store, inputs: dict[str, ArtifactRef]
) -> float:
    """Cross-entropy over the real vocabulary, by documents cut into windows of 16, one by one."""
    folder = store.readers(inputs["tokens"])["valid-00000"].folder()
    tokens, total, count = torch.from_numpy(np.load(folder / "tokens.npy").astype(int)), 0.0, 0
    for document in tokens.split(LENGTHS["valid"][0]):
        for start in range(0, len(document) - 1, 15):
            window = document[start : start + 16]
            with torch.no_grad():
                logits = model(input_ids=window[None, :-1]).logits[0, :, :VOCABULARY]
            total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
            count += len(window) - 1
    return total / count


def test_dapt_trains_all_parameters_and_lora_only_its_own(store: Store) -> None:
    inputs = make_inputs(store)
    dapt = adapt_base_model_shard(make_run(store, inputs, "one", DAPT, artifact="a"))
    lora = adapt_base_model_shard(make_run(store, inputs, "one", LORA, artifact="b"))
    assert dapt["parameters_trained"] == dapt["parameters"] == lora["parameters"]
    assert lora["parameters_trained"] == 2 * PER_RANK
    assert (dapt["method"], lora["method"]) == ("dapt", "lora")


def test_loras_rank_is_matched_to_the_memorys_parameters(store: Store) -> None:
    student = publish(store, "base_model", {"all": (fill_student, {})}, {"student": True})
    inputs = make_inputs(store) | {"student": student}
    meta = adapt_base_model_shard(make_run(store, inputs, "one", LORA | {"lora_rank": None}))
    wanted = tiny_model("gpt2", vocab_size=VOCABULARY, width=16, layers=1).num_parameters()
    assert meta["parameters_trained"] == meta["lora_rank"] * PER_RANK
    assert abs(meta["parameters_trained"] - wanted) <= PER_RANK / 2


@pytest.mark.parametrize("adaptation", [DAPT, LORA], ids=["dapt", "lora"])
def test_a_killed_and_resumed_adaptation_has_the_bytes_of_an_uninterrupted_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, adaptation: dict[str, JsonValue]
) -> None:
    inputs = make_inputs(store)

    def run(attempt: str, artifact: str) -> ShardRun:
        return make_run(store, inputs, attempt, adaptation, artifact=artifact)

    check_resumed_equals_whole(adapt_base_model_shard, run, [4, 7], monkeypatch)


def test_windows_longer_than_the_base_models_context_are_refused(store: Store) -> None:
    windows: dict[str, JsonValue] = {"length": 300, "stride": 8}
    run = make_run(store, make_inputs(store), "one", DAPT, windows=windows)
    with pytest.raises(UserError, match="the base model sees at most 256"):
        adapt_base_model_shard(run)


def test_a_training_stride_as_long_as_the_window_is_refused(store: Store) -> None:
    run = make_run(store, make_inputs(store), "one", DAPT | {"training_stride": 16})
    with pytest.raises(UserError, match=r"config.adaptation.training_stride: 16"):
        adapt_base_model_shard(run)
