"""A comparison's further tables come back as they were written."""

from pathlib import Path

from storage.formats.row_tables import (
    read_mixture_curves,
    read_reliability,
    read_results,
    write_joint_results,
    write_mixture_curves,
    write_reliability,
)
from storage.store.artifact_store import Store
from tests.support.artifacts import publish
from tests.support.comparison_rows import row

CURVES = [
    {"system": "memory", "base": "gpt2", "alpha": a / 4, "perplexity": 20.0 + a} for a in range(5)
]
BINS = [
    {"predicted": 0.01, "observed": 0.0, "entries": 2**40},
    {"predicted": 0.5, "observed": 0.4, "entries": 3},
]
JOINT = [
    {"corpus": "law", **row("base", "gpt2", "test", "perplexity", 18.25, (17.0, 19.5))},
    {"corpus": "finance", **row("targets", None, "valid", "coverage", 0.5)},
]


def test_curves_bins_and_joint_rows_come_back_in_order(store: Store) -> None:
    def fill(folder: Path) -> None:
        write_mixture_curves(folder, CURVES)
        write_reliability(folder, BINS)
        write_joint_results(folder, JOINT)

    reader = store.readers(publish(store, "comparison", {"all": (fill, {})}))["all"]
    assert read_mixture_curves(reader) == CURVES
    assert read_reliability(reader) == BINS
    assert read_results(reader) == JOINT
