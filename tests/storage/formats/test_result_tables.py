"""Tables come back as they were written, empty cells included."""

from pathlib import Path

from storage.formats.row_tables import (
    read_alpha_curve,
    read_results,
    write_alpha_curve,
    write_results,
)
from storage.store.artifact_store import Store
from tests.support.artifacts import publish

ROWS = [
    {
        "system": "memory",
        "base": "gpt2",
        "split": "valid",
        "metric": "perplexity",
        "value": 18.25,
        "ci_low": 17.0,
        "ci_high": 19.5,
        "n": 2**40,
    },
    {
        "system": "memory_alone",
        "base": None,
        "split": "valid",
        "metric": "kl",
        "value": 0.1,
        "ci_low": None,
        "ci_high": None,
        "n": 10,
    },
]
CURVE = [{"base": "gpt2", "alpha": a / 10, "perplexity": 20.0 + a} for a in range(11)]


def test_results_and_curve_come_back_in_order(store: Store) -> None:
    def fill(folder: Path) -> None:
        write_results(folder, ROWS)
        write_alpha_curve(folder, CURVE)

    reader = store.readers(publish(store, "evaluation", {"all": (fill, {})}))["all"]
    assert read_results(reader) == ROWS
    assert read_alpha_curve(reader) == CURVE


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_results(tmp_path / name, ROWS)
    files = [(tmp_path / name / "results.parquet").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]
