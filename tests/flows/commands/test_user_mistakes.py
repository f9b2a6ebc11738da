"""What users get wrong: each is named with its place and remedy, and leaves the store as it was."""

import contextlib
import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.build_memory import build_memory
from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import plan_pipeline
from flows.running.run_result import RunResult
from memdec_core.errors import UserError
from storage.formats.embedding_zarr import EmbeddingReader
from storage.objects.store_errors import DamagedArtifact, StoreFull, StoreReadOnly
from storage.store.artifact_store import Store
from storage.store.verification import verify
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_catalogue import StageName
from tests.services.command_line import memdec
from tests.support.tiny_models import tiny_model_folder
from tests.support.tiny_pipeline import write_documents

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models `base` and, with another tokenizer, `other`."""
    folder = tmp_path_factory.mktemp("models")
    tiny_model_folder(folder, name="base", context_length=64)
    tiny_model_folder(folder, name="other", context_length=64, vocab_size=300)
    return folder


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    path = tmp_path / "documents.jsonl"
    write_documents(path, 60, seed=1)
    return path


def pipeline(documents: Path, models: Path, **sections: Mapping[str, Any]) -> PipelineConfig:
    """A pipeline that runs in a second per stage; a section given here is merged into its own."""
    own: dict[str, Mapping[str, Any]] = {
        "corpus": {"documents": [str(documents)], "valid_fraction": 0.15, "test_fraction": 0.15},
        "base_model": {"name": str(models / "base")},
        "windows": {"length": 64, "stride": 48},
        "tokens": {"separator": "none"},
        "targets": {"k": 16, "gate_sample": 50},
    }
    merged = {name: {**own.get(name, {}), **sections.get(name, {})} for name in {*own, *sections}}
    return PipelineConfig.model_validate_json(json.dumps({"name": "mistakes", **merged}))


def build(
    config: PipelineConfig, store: Store, until: StageName, force: tuple[StageName, ...] = ()
) -> list[str]:
    """Runs the pipeline until a stage; returns the stages that were built, not reused."""
    result: RunResult = build_memory(config, RunSettings(store=store.url), until, force)
    return [stage["stage"] for stage in result["stages"] if not stage["reused"]]


def assert_unharmed(store: Store, *stages: str) -> None:
    """Exactly these stages exist, and every byte of them is as it was written."""
    assert [ref.stage for ref in store.artifacts()] == sorted(stages)
    assert verify(store).damaged == []


def write_lines(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("lines", "corpus", "message"),
    [
        ((), {}, r"config\.corpus\.documents: no document for train: 0 records.*; add documents"),
        (
            (b"[1]", b'{"id": "a", "text": ""}'),
            {},
            r"config\.corpus\.documents: .* 2 rejected .*bad\.jsonl record 1: .* or mend those",
        ),
        (
            (b'{"id": "a", "text": "alone"}',),
            {},
            r"config\.corpus\.\w+_fraction: no document for \w+: 1 records read.*; raise it",
        ),
        (
            (b'{"text": "good"}', b'{"text": "better"}'),
            {"valid_documents": ["empty.jsonl"], "test_documents": ["empty.jsonl"]},
            r"config\.corpus\.valid_documents: no document for valid.*; add documents",
        ),
        ((), {"documents": ["nowhere/*.txt"]}, r"config\.corpus\.documents.*nowhere.*correct the"),
    ],
    ids=["empty", "all rejected", "no share", "empty file", "no file"],
)
def test_an_empty_corpus_or_split_is_named_with_what_was_read(
    lines: tuple[bytes, ...],
    corpus: Mapping[str, Any],
    message: str,
    documents: Path,
    models: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(documents.parent)
    write_lines(documents.parent / "empty.jsonl")
    bad = write_lines(documents.parent / "bad.jsonl", *lines)
    with pytest.raises(UserError, match=message):
        build(pipeline(bad, models, corpus=corpus), store, "corpus")
    assert_unharmed(store)
    assert build(pipeline(documents, models), store, "corpus") == ["corpus"]


def test_a_split_with_nothing_to_predict_is_named(
    documents: Path, models: Path, store: Store, tmp_path: Path
) -> None:
    single = write_lines(tmp_path / "single.jsonl", b'{"text": "x"}', b'{"text": "y"}')
    held_out = {"valid_documents": [str(single)]}
    with pytest.raises(UserError, match=r"config\.corpus: the valid split has 2 .* more text"):
        build(pipeline(documents, models, corpus=held_out), store, "tokens")
    assert_unharmed(store, "base_model", "corpus")
    assert build(pipeline(documents, models), store, "tokens") == ["corpus", "tokens"]


def test_bad_records_are_listed_and_a_damaged_file_stops_the_run(
    documents: Path, models: Path, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "messy"
    folder.mkdir()
    shutil.move(documents, folder / "a.jsonl")
    write_lines(
        folder / "b.jsonl",
        b'{"id": "invalid", "text": "\xff"}',
        b'{"id": "nul", "text": "a\0b"}',
        b'{"id": "no text"}',
        b'{"id": "empty", "text": ""}',
        b'{"id": "doc/1/3", "text": "another text under an id that is taken"}',
        b'{"id": "escaped nul", "text": "a\\u0000b is JSON"}',
    )
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"text": "cut off"}\n')[:-9])
    (folder / "latin.txt").write_bytes("café".encode("latin-1"))
    (folder / "large.txt").write_text("the court shall review each claim. " * 150_000)
    (folder / "token.txt").write_text("x")

    config = pipeline(folder, models, corpus={"max_rejected": 1})
    with pytest.raises(UserError, match=r"cut\.jsonl\.gz: damaged file: .*out of the corpus"):
        build(config, store, "tokens")
    plan = plan_pipeline(config)
    rejects = store.readers(plan.stages["corpus"][0].ref)["all"].local_path("rejects.parquet")
    listed = {
        (row["file"], row["record"], row["reason"].partition(":")[0])
        for row in pq.read_table(rejects).to_pylist()
    }
    assert listed == {
        ("b.jsonl", 1, "not UTF-8"),
        ("b.jsonl", 2, "malformed JSON"),
        ("b.jsonl", 3, "missing text"),
        ("b.jsonl", 4, "empty text"),
        ("b.jsonl", 5, "duplicate id"),
        ("cut.jsonl.gz", 0, "damaged file"),
        ("latin.txt", 0, "damaged file"),
    }
    for name in ("cut.jsonl.gz", "latin.txt"):
        (folder / name).unlink()
    assert build(config, store, "tokens") == ["corpus", "base_model", "tokens"]
    tokens = plan_pipeline(config).tokens.ref
    lengths = {
        row["doc_id"]: row["tokens"]
        for reader in store.readers(tokens).values()
        for row in pq.read_table(reader.local_path("documents.parquet")).to_pylist()
    }
    assert len(lengths) == 60 + 3
    assert lengths["token.txt"] == 1
    assert lengths["large.txt"] > 1_000_000
    assert_unharmed(store, "base_model", "corpus", "corpus", "tokens")


def test_a_k_beyond_the_datastore_is_refused_before_anything_is_embedded(
    documents: Path, models: Path, store: Store
) -> None:
    with documents.open("a") as file:
        file.write('{"id": "one token", "text": "x"}\n')
    with pytest.raises(UserError, match=r"config\.targets\.k: 999999 .*of \d+ rows; set") as error:
        build(pipeline(documents, models, targets={"k": 999_999}), store, "targets")
    largest = re.search(r"set it to (\d+) or less", str(error.value))
    assert largest is not None
    with pytest.raises(UserError, match=r"config\.targets\.k"):
        build(pipeline(documents, models, targets={"k": int(largest[1]) + 1}), store, "targets")
    assert_unharmed(store, "base_model", "corpus", "tokens")

    config = pipeline(documents, models)
    assert build(config, store, "targets") == ["embeddings", "index", "targets"]
    rows = EmbeddingReader(store.readers(plan_pipeline(config).embeddings.ref), "train").n_rows
    assert int(largest[1]) == rows - 1


def test_a_student_with_another_tokenizer_is_refused_before_tokens_are_made(
    documents: Path, models: Path, store: Store
) -> None:
    other = {"init": {"name": str(models / "other")}}
    message = (
        r"/base \(base_model/\w+\) and \S*/other \(base_model/\w+\) differ: "
        r"the vocabularies differ \(400 and 300 tokens\).*config\.memory\.init"
    )
    with pytest.raises(UserError, match=message):
        build(pipeline(documents, models, memory=other), store, "report")
    assert_unharmed(store, "base_model", "base_model", "corpus")
    assert build(pipeline(documents, models), store, "tokens") == ["tokens"]


def test_a_full_store_keeps_what_is_finished(
    documents: Path, models: Path, small_disk: Path
) -> None:
    store = Store.open(str(small_disk / "store"))
    config = pipeline(documents, models)
    build(config, store, "corpus")
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - 100_000)
    with pytest.raises(StoreFull, match=r"base_model/\w+: no room left.*memdec artifacts gc"):
        build(config, store, "tokens")
    assert_unharmed(store, "corpus")
    filler.unlink()
    assert build(config, store, "tokens") == ["base_model", "tokens"]
    assert_unharmed(store, "base_model", "corpus", "tokens")


def test_a_read_only_store_is_named(documents: Path, models: Path, small_disk: Path) -> None:
    store = Store.open(str(small_disk / "store"))
    config = pipeline(documents, models)
    build(config, store, "corpus")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreReadOnly, match=r"disk/store.*cannot be written.*--store"):
        build(config, store, "tokens")
    assert_unharmed(store, "corpus")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert build(config, store, "tokens") == ["base_model", "tokens"]


def test_a_flipped_byte_is_found_and_its_stage_built_again_on_request(
    documents: Path, models: Path, store: Store, tmp_path: Path
) -> None:
    config = pipeline(documents, models)
    build(config, store, "tokens")
    tokens = plan_pipeline(config).tokens.ref
    victim = store.readers(tokens)["train-00000"].local_path("tokens.npy")
    content = bytearray(victim.read_bytes())
    content[-5] ^= 1
    victim.write_bytes(content)
    (damaged,) = verify(store).damaged
    assert damaged.ref == tokens
    assert damaged.file.endswith("train-00000/tokens.npy")
    assert build(config, store, "tokens", force=("tokens",)) == ["tokens"]
    assert_unharmed(store, "base_model", "corpus", "tokens")


def test_a_damaged_input_is_named_by_the_stage_that_reads_it(
    documents: Path, models: Path, store: Store
) -> None:
    config = pipeline(documents, models)
    build(config, store, "base_model")
    corpus = plan_pipeline(config).stages["corpus"][0].ref
    store.readers(corpus)["all"].local_path("train-00000.parquet").write_bytes(b"no Parquet")
    with pytest.raises(DamagedArtifact, match=r"train-00000\.parquet: not the bytes.*--force"):
        build(config, store, "tokens")
    assert [ref.stage for ref in store.artifacts()] == ["base_model", "corpus"]
    assert build(config, store, "tokens", force=("corpus",)) == ["corpus", "tokens"]
    assert_unharmed(store, "base_model", "corpus", "tokens")


def write_yaml(config: PipelineConfig, folder: Path) -> Path:
    path = folder / "mistakes.yaml"
    path.write_text(config.model_dump_json())  # which is YAML too
    return path


@pytest.mark.slow
def test_the_command_names_a_misspelt_key_and_makes_nothing(
    documents: Path, models: Path, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    path = write_yaml(pipeline(documents, models), tmp_path)
    mistake = ("--set", "targets.taw=3", "--json")
    store = tmp_path / "store"
    done = memdec("run", path, "--store", store, *mistake, env=prefect_environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error {path}: config.targets.taw: there is no such key; did you mean 'tau'?\n"
    )
    assert not store.exists()


@pytest.mark.slow
def test_the_command_says_a_mistake_that_the_flow_finds_once_and_without_traceback(
    documents: Path, models: Path, store: Store, prefect_environment: Mapping[str, str]
) -> None:
    config = pipeline(write_lines(documents.parent / "empty.jsonl"), models)
    path = write_yaml(config, documents.parent)
    done = memdec("run", path, "--store", store.url, env=prefect_environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error config\.corpus\.documents: .*\n", done.stderr)
    assert_unharmed(store)
