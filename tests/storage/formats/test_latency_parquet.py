"""The table of times comes back as it was written, empty cells included."""

from pathlib import Path

from storage.formats.row_tables import read_latency, write_latency
from storage.store.artifact_store import Store
from tests.support.artifacts import publish

ROW = {
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
ROWS = [ROW, ROW | {"system": "memory", "datastore_rows": None, "flops_ratio": 1.25}]


def test_rows_come_back_in_order(store: Store) -> None:
    def fill(folder: Path) -> None:
        write_latency(folder, ROWS)

    reader = store.readers(publish(store, "latency", {"all": (fill, {})}))["all"]
    assert read_latency(reader) == ROWS
