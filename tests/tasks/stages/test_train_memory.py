"""The memory stage on small artifacts: it learns, resumes to the bit, refuses what does not fit."""

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
from memdec_core.windows.windows import POOL_GROUPS
from storage.formats.target_parquet import CACHED_GROUPS, TargetBlock, write_targets
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.train_memory import train_memory_shard
from tests.support.artifacts import as_shard, publish
from tests.support.interrupted_training import check_resumed_equals_whole, fill_tokens
from tests.support.jobs import make_job
from tests.support.tiny_models import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")
VOCABULARY = 400
LENGTHS = {"train": [[90, 1, 70], [120]], "valid": [[60, 40]]}
MEMORY: dict[str, JsonValue] = {
    "epochs": 2,
    "batch_tokens": 60,
    "micro_batch_tokens": 30,
    "seed": 3,
}
WINDOWS: dict[str, JsonValue] = {"length": 16, "stride": 8, "scope": "document"}


def shard_name(split: str, number: int) -> str:
    return f"{split}-{number:05d}"


def make_inputs(store: Store, *, student_vocabulary: int = 448) -> dict[str, ArtifactRef]:
    """Tokens, targets (2 entries a position) and a student whose head is padded to 448."""
    rng = np.random.default_rng(0)
    token_shards: dict[str, tuple[Callable[[Path], None], dict[str, JsonValue]]] = {}
    target_shards: dict[str, tuple[Callable[[Path], None], dict[str, JsonValue]]] = {}
    for split, shards in LENGTHS.items():
        for number, lengths in enumerate(shards):
            tokens = rng.integers(1, 40, sum(lengths)).astype(np.uint16)
            starts = np.cumsum([0, *lengths[:-1]])
            next_token = np.delete(tokens, starts).astype(np.int64)
            token_shards[shard_name(split, number)] = (fill_tokens(tokens, lengths), {})
            target_shards[shard_name(split, number)] = (fill_targets(next_token), {})

    def fill_student(folder: Path) -> None:
        tiny_model("gpt2", vocab_size=student_vocabulary, width=16).save_pretrained(folder)
        tiny_tokenizer(VOCABULARY).save_pretrained(folder)

    return {
        "tokens": publish(store, "tokens", token_shards),
        "targets": publish(store, "targets", target_shards),
        "student": publish(store, "base_model", {"all": (fill_student, {})}),
    }


def fill_targets(next_token: np.ndarray) -> Callable[[Path], None]:
    """Three quarters on the next token, a quarter on the id after it."""

    def fill(folder: Path) -> None:
        rows = len(next_token)
        block = TargetBlock(
            np.arange(rows + 1) * 2,
            np.stack([next_token, next_token + 1], 1).ravel(),
            np.tile(np.array([0.75, 0.25], np.float16), rows),
            next_token,
            np.zeros(rows, np.float32),
        )
        write_targets(as_shard(folder), [block], VOCABULARY)

    return fill


def make_run(
    store: Store,
    inputs: dict[str, ArtifactRef],
    attempt: str,
    *,
    memory: dict[str, JsonValue] = MEMORY,
    windows: dict[str, JsonValue] = WINDOWS,
    artifact: str = "a",
) -> ShardRun:
    ref = ArtifactRef(stage="memory", fingerprint=artifact * 32)
    config: dict[str, JsonValue] = {"training": memory, "windows": windows}
    job = make_job(ref, config, inputs)
    settings = RunSettings(device="cpu")
    return ShardRun(job, "all", settings, store, store.writer(ref, "all", attempt), lambda *_: None)


def test_a_memory_is_a_usable_hugging_face_folder_that_has_learned(store: Store) -> None:
    memory = MEMORY | {"epochs": 20, "learning_rate": 1e-2}
    run = make_run(store, make_inputs(store), "one", memory=memory)
    meta = train_memory_shard(run)

    model = AutoModelForCausalLM.from_pretrained(run.writer.folder)
    tokenizer = AutoTokenizer.from_pretrained(run.writer.folder)
    assert model.num_parameters() == meta["parameters"]
    assert len(tokenizer) == VOCABULARY
    curve = pl.read_parquet(run.writer.folder / "curves.parquet").to_dicts()
    valid = [point["loss"] for point in curve if point["split"] == "valid"]
    assert meta["valid_loss"] == min(valid) < 0.8 * valid[0]
    assert meta["positions_trained"] == 20 * (89 + 69 + 119)
    assert (run.writer.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.suffix for path in run.writer.folder.iterdir()).count(".safetensors") == 1


@pytest.mark.parametrize("deaths", [[1], [4, 5, 9]])
def test_a_killed_and_resumed_memory_has_the_bytes_of_an_uninterrupted_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, deaths: list[int]
) -> None:
    inputs = make_inputs(store)

    def run(attempt: str, artifact: str) -> ShardRun:
        return make_run(store, inputs, attempt, artifact=artifact)

    check_resumed_equals_whole(train_memory_shard, run, deaths, monkeypatch)


def test_targets_of_another_scope_are_refused(store: Store) -> None:
    run = make_run(store, make_inputs(store), "one", windows=WINDOWS | {"scope": "stream"})
    with pytest.raises(UserError, match=r"277 rows in the train split.*280 positions"):
        train_memory_shard(run)


def test_a_student_with_too_small_a_head_is_refused(store: Store) -> None:
    run = make_run(store, make_inputs(store, student_vocabulary=300), "one")
    with pytest.raises(UserError, match="head has 300 logits for a vocabulary of 400"):
        train_memory_shard(run)


def test_windows_longer_than_the_students_context_are_refused(store: Store) -> None:
    run = make_run(store, make_inputs(store), "one", windows={"length": 300, "stride": 8})
    with pytest.raises(UserError, match="sees at most 256"):
        train_memory_shard(run)


def test_a_training_stride_as_long_as_the_window_is_refused(store: Store) -> None:
    run = make_run(store, make_inputs(store), "one", memory=MEMORY | {"training_stride": 16})
    with pytest.raises(UserError, match=r"config.training.training_stride: 16"):
        train_memory_shard(run)


def test_the_students_own_files_are_left_as_they_were(store: Store) -> None:
    inputs = make_inputs(store)
    student = store.readers(inputs["student"])["all"].folder() / "model.safetensors"
    before = load_file(student)
    train_memory_shard(make_run(store, inputs, "one"))
    after = load_file(student)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_reader_caches_all_row_groups_that_a_pool_of_windows_may_touch() -> None:
    assert POOL_GROUPS <= CACHED_GROUPS
