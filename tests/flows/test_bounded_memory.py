"""Peak memory of every stage is bounded by its configuration, not by the corpus.

Both corpora exceed what the configuration lets a stage hold at a time (a batch, a shard, a part of
the index), so that whatever still grows with the corpus shows. The large corpus has 3.5 million
characters and 270,000 tokens more; held whole, the keys alone would be 35 MB more, in float32 69.
"""

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from flows.server.console import EXIT_KEPT_BACK
from storage.store.artifact_store import Store
from tests.services.command_line import memdec

pytestmark = [pytest.mark.slow, pytest.mark.long]
SMALL, LARGE = 300, 3000  # documents of about 100 tokens and 1,300 characters
GROWTH_MB = 25
"""Allowed: what a stage holds of each position of a split (targets 4 bytes, the evaluation about
50), batches and parts that only the large corpus fills, and peaks that the sampling misses."""
RETURN_FREED = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""Makes glibc give back what is freed: else peaks also count what it keeps, some 60 MB or none."""


def write_documents(path: Path, count: int) -> None:
    """Writes documents of long words, nearly all of which are one token each."""
    generator = random.Random(5)
    words = ["".join(generator.choices("abcdefghij", k=12)) for _ in range(20)]
    with path.open("w") as file:
        for number in range(count):
            text = " ".join(generator.choices(words, k=100))
            file.write(json.dumps({"id": f"doc/{number}", "text": text}) + "\n")


def pipeline(documents: Path) -> dict[str, object]:
    """A configuration of which nothing depends on the size of the corpus but the documents."""
    corpus = {
        "documents": [str(documents)],
        "valid_fraction": 0.25,
        "test_fraction": 0.25,
        "part_characters": 200_000,
    }
    shape = {"layers": 1, "heads": 2, "vocab_size": 512, "context_length": 64}
    pretrain = shape | {"corpus": corpus, "tokens": 8192, "batch_tokens": 1024}
    return {
        "name": "bounded",
        "corpus": corpus,
        "base_model": {"pretrain": pretrain | {"width": 128}},
        "windows": {"length": 64, "stride": 63},
        "embeddings": {"shard_positions": 10_000},
        "index": {
            "kind": "IVF256,SQfp16",
            "nprobe": 4,
            "min_recall": 0.01,
            "train_rows": 10_000,
            "recall_sample": 64,
            "recall_k": 16,
        },
        "targets": {"k": 16, "max_total_variation": 1, "gate_sample": 16},
        "memory": {"init": {"pretrain": pretrain | {"width": 16}}},
        "training": {"epochs": 1, "batch_tokens": 4096},
        "evaluation": {"bootstrap_samples": 100, "fidelity_rows": 1000},
    }


def run(folder: Path, env: Mapping[str, str], *options: str) -> None:
    """Runs the pipeline of a folder within the limits."""
    limits = ("--threads", "1", "--memory-gb", "0.1")
    path = folder / "bounded.yaml"
    done = memdec("run", path, "--store", folder / "store", *limits, *options, env=env)
    assert done.returncode in (0, EXIT_KEPT_BACK), done.stderr  # the memory is of no use


def build(folder: Path, count: int, env: Mapping[str, str]) -> None:
    """Builds a pipeline over so many documents."""
    folder.mkdir()
    write_documents(folder / "documents.jsonl", count)
    (folder / "bounded.yaml").write_text(yaml.safe_dump(pipeline(folder / "documents.jsonl")))
    run(folder, env)


def peaks_mb(folder: Path) -> dict[str, float]:
    """The peak of each stage's workers (MB)."""
    store = Store.open(str(folder / "store"))
    peaks: dict[str, float] = {}
    for ref in store.artifacts():
        peak = store.require(ref).peak_memory_bytes / 1e6
        peaks[ref.stage] = max(peak, peaks.get(ref.stage, 0.0))  # there are two models
    return peaks


@pytest.mark.timeout(1200)
def test_ten_times_the_corpus_takes_no_more_memory(
    tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    own_kernels = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}  # compiled by nobody else
    env = {**prefect_environment, **RETURN_FREED, **own_kernels}
    build(tmp_path / "small", SMALL, env)
    # again with the kernels that were compiled now, which takes a worker 30 MB
    run(tmp_path / "small", env, "--force", "index", "--force", "targets", "--until", "targets")
    build(tmp_path / "large", LARGE, env)
    large = peaks_mb(tmp_path / "large")
    pairs = {stage: (peak, large[stage]) for stage, peak in peaks_mb(tmp_path / "small").items()}
    grown = {stage: (few, many) for stage, (few, many) in pairs.items() if many - few > GROWTH_MB}
    assert grown == {}, pairs
