"""Tables come back as they were written, empty cells included."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydantic import JsonValue

from storage.formats.row_tables import (
    ALPHA_CURVE,
    CHECKS,
    JOINT_RESULTS,
    LATENCIES,
    LOSS_CURVES,
    MEMORISED,
    MIXTURE_CURVES,
    RELIABILITY_BINS,
    RESULTS,
    RowTable,
)
from storage.store.artifact_store import Store
from tests.support.artifacts import as_shard, publish
from tests.support.comparison_rows import row

Rows = list[dict[str, JsonValue]]

TIMES: Mapping[str, JsonValue] = {
    "system": "knn_lm",
    "base": "gpt2",
    "context": 512,
    "datastore_rows": 2**40,
    "first_token_ms": 12.5,
    "ms_per_token": 2.5,
    "tokens_per_second": 400.0,
    "ratio": 2.25,
    "ratio_low": 2.0,
    "ratio_high": 3.0,
    "flops_ratio": None,
    "memory_bytes": 2**41,
    "disk_bytes": 2**42,
    "device": "CPU",
    "cores": 2,
    "threads": 1,
}
CASES: list[tuple[RowTable, Rows]] = [
    (
        RESULTS,
        [
            row("memory", "gpt2", "valid", "perplexity", 18.25, (17.0, 19.5)) | {"n": 2**40},
            row("memory_alone", None, "valid", "kl", 0.1),
        ],
    ),
    (
        JOINT_RESULTS,
        [
            {"corpus": "law", **row("base", "gpt2", "test", "perplexity", 18.25, (17.0, 19.5))},
            {"corpus": "finance", **row("targets", None, "valid", "coverage", 0.5)},
        ],
    ),
    (ALPHA_CURVE, [{"base": "gpt2", "alpha": a / 10, "perplexity": 20.0 + a} for a in range(11)]),
    (
        MIXTURE_CURVES,
        [
            {"system": "memory", "base": "gpt2", "alpha": a / 4, "perplexity": 20.0 + a}
            for a in range(5)
        ],
    ),
    (
        RELIABILITY_BINS,
        [
            {"predicted": 0.01, "observed": 0.0, "entries": 2**40},
            {"predicted": 0.5, "observed": 0.4, "entries": 3},
        ],
    ),
    (
        CHECKS,
        [
            {
                "check": "targets",
                "base": None,
                "value": 0.5,
                "ci_low": None,
                "ci_high": None,
                "limit": 0.4,
                "passed": True,
            }
        ],
    ),
    (LATENCIES, [{**TIMES}, {**TIMES, "datastore_rows": None, "flops_ratio": 1.25}]),
    (
        LOSS_CURVES,
        [
            {"step": 0, "epoch": 0.0, "split": "valid", "loss": 5.1, "kl": None, "ce": 5.1}
            | {"learning_rate": 1e-3},
            {"step": 10, "epoch": 0.5, "split": "train", "loss": 0.1 + 0.2, "kl": 2.0, "ce": 3.0}
            | {"learning_rate": 1e-3},
        ],
    ),
    (LOSS_CURVES, []),
    (
        MEMORISED,
        [
            {"document": "a.txt", "token_offset": 2**40, "character_offset": 7, "tokens": 50}
            | {"base_tokens": 3, "prompt": "Once", "text": "upon a time\n"}
        ],
    ),
]


@pytest.mark.parametrize(("table", "rows"), CASES)
def test_rows_come_back_in_order(table: RowTable, rows: Rows, store: Store) -> None:
    ref = publish(
        store, "tables", {"all": (lambda folder: table.write(as_shard(folder), rows), {})}
    )
    reader = store.readers(ref)["all"]
    assert table.read(reader) == rows
    assert pq.read_table(reader.local_path(table.name)).to_pylist() == rows


@pytest.mark.parametrize(("table", "rows"), CASES)
def test_the_same_rows_give_the_same_bytes(table: RowTable, rows: Rows, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        table.write(as_shard(tmp_path / name), rows)
    files = [(tmp_path / name / table.name).read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_results_of_several_comparisons_are_read_as_results(store: Store) -> None:
    rows = [{"corpus": "law", **row("base", "gpt2", "test", "perplexity", 18.25)}]
    ref = publish(
        store, "join", {"all": (lambda folder: JOINT_RESULTS.write(as_shard(folder), rows), {})}
    )
    assert RESULTS.read(store.readers(ref)["all"]) == rows
