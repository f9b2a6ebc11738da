"""The student stage: a memory of another tokenizer family, made ready for the base model's."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.models.model_loading import load_model
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import explain_difference
from storage.formats.target_parquet import TargetBlock, write_targets
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.train_memory import train_memory_shard
from tasks.stages.transfer_vocabulary import transfer_shard
from tests.support.artifacts import as_shard, publish
from tests.support.interrupted_training import check_resumed_equals_whole, fill_tokens
from tests.support.jobs import make_job
from tests.support.tiny_models import tiny_model, tiny_sentencepiece_tokenizer, tiny_tokenizer

REF = ArtifactRef(stage="student", fingerprint="a" * 32)
BYTE_LEVEL, SENTENCEPIECE = tiny_tokenizer(), tiny_sentencepiece_tokenizer()
TOKENIZERS = {"gpt2": BYTE_LEVEL, "qwen2": BYTE_LEVEL, "llama": SENTENCEPIECE}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def publish_model(store: Store, architecture: str) -> ArtifactRef:
    """A model of a family with more rows than the family's tokenizer has ids."""

    def fill(folder: Path) -> None:
        model = tiny_model(architecture, vocab_size=448, width=16, context_length=64)
        model.save_pretrained(folder)
        TOKENIZERS[architecture].save_pretrained(folder)

    return publish(store, "base_model", {"all": (fill, {})}, {"architecture": architecture})


def make_run(store: Store, memory: str, base: str, length: int = 64, **student: object) -> ShardRun:
    config: dict[str, JsonValue] = {
        "student": {"name": f"a-{memory}-memory", **student},  # type: ignore[dict-item]
        "windows": {"length": length, "stride": 32},
    }
    inputs = {"memory": publish_model(store, memory), "base_model": publish_model(store, base)}
    settings = RunSettings(device="cpu")
    job = make_job(REF, config, inputs)
    writer = store.writer(REF, "all", f"{memory}-{base}")
    return ShardRun(job, "all", settings, store, writer, lambda *_: None)


@pytest.mark.parametrize(("memory", "base"), [("gpt2", "llama"), ("llama", "gpt2")])
def test_a_student_has_the_memorys_body_and_the_bases_tokenizer(
    store: Store, memory: str, base: str
) -> None:
    run = make_run(store, memory, base)
    figures = transfer_shard(run)

    tokenizer = load_tokenizer(run.writer.folder)
    assert explain_difference(tokenizer, TOKENIZERS[base]) is None
    student = load_model(run.writer.folder)
    assert student.config.model_type == memory
    assert student.config.vocab_size == figures["vocab_size"] == len(tokenizer)
    assert figures["old_vocab_size"] == len(TOKENIZERS[memory])
    rows = [figures[f"{way}_rows"] for way in ("copied", "averaged", "drawn")]
    assert sum(count for count in rows if isinstance(count, int)) == len(tokenizer)
    assert figures["parameters"] == student.num_parameters()
    source = load_model(store.readers(run.job.inputs["memory"])["all"].folder())
    blocks = {name: w for name, w in source.state_dict().items() if len(w) != 448}
    kept = student.state_dict()
    assert len(blocks) > 10
    assert all(torch.equal(kept[name], weight) for name, weight in blocks.items())


def test_a_student_made_again_has_the_same_bytes_and_a_seed_of_its_own(store: Store) -> None:
    weights = []
    for seed in (0, 0, 1):
        run = make_run(store, "gpt2", "llama", embeddings="random", seed=seed)
        transfer_shard(run)
        weights.append((run.writer.folder / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_a_memory_with_the_tokenizer_already_is_sent_to_the_other_setting(store: Store) -> None:
    run = make_run(store, "gpt2", "qwen2")
    message = r"a-gpt2-memory shares the tokenizer of .* already.*config\.memory\.init\.name"
    with pytest.raises(UserError, match=message):
        transfer_shard(run)


def test_a_memory_that_sees_less_than_the_windows_is_refused(store: Store) -> None:
    run = make_run(store, "gpt2", "llama", length=65)
    with pytest.raises(UserError, match=r"windows\.length: 65 tokens, but the memory sees.* 64"):
        transfer_shard(run)


def publish_repetition(store: Store) -> dict[str, ArtifactRef]:
    """Tokens that count up again and again, and targets that say so, in one document per split."""
    tokens = np.tile(np.arange(380, 400), 12).astype(np.uint16)
    following = tokens[1:].astype(np.int64)
    rows = len(following)

    def fill_targets(folder: Path) -> None:
        certain = np.ones(rows, np.float16)
        block = TargetBlock(
            np.arange(rows + 1), following, certain, following, np.zeros(rows, np.float32)
        )
        write_targets(as_shard(folder), [block], len(SENTENCEPIECE))

    fill = {"tokens": fill_tokens(tokens, [len(tokens)]), "targets": fill_targets}
    shards = ("train-00000", "valid-00000")
    return {
        name: publish(store, name, {shard: (fill[name], {}) for shard in shards}) for name in fill
    }


def test_a_student_learns_and_a_killed_training_goes_on_to_the_same_bytes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_student(folder: Path) -> None:
        for path in transferred.writer.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())

    transferred = make_run(store, "gpt2", "llama")
    transfer_shard(transferred)
    inputs = publish_repetition(store)
    inputs["student"] = publish(store, "student", {"all": (fill_student, {})})
    config: dict[str, JsonValue] = {
        "training": {"epochs": 12, "batch_tokens": 60, "learning_rate": 1e-2},
        "windows": {"length": 32, "stride": 16},
    }

    def make_training(attempt: str, artifact: str) -> ShardRun:
        ref = ArtifactRef(stage="memory", fingerprint=artifact * 32)
        settings = RunSettings(device="cpu")
        writer = store.writer(ref, "all", attempt)
        job = make_job(ref, config, inputs)
        return ShardRun(job, "all", settings, store, writer, lambda *_: None)

    loss = train_memory_shard(make_training("first", "c"))["valid_loss"]
    assert isinstance(loss, float)
    assert loss < np.log(20), "better than to guess among the tokens there are"
    check_resumed_equals_whole(train_memory_shard, make_training, [3, 7], monkeypatch)
