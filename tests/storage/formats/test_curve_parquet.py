"""Loss curves survive Parquet; the same curves give the same bytes."""

from pathlib import Path

from storage.formats.row_tables import read_curves, write_curves

POINTS = [
    {"step": 0, "epoch": 0.0, "split": "valid", "loss": 5.1, "kl": None, "ce": 5.1},
    {"step": 10, "epoch": 0.5, "split": "train", "loss": 0.1 + 0.2, "kl": 2.0, "ce": 3.0},
]
CURVE = [point | {"learning_rate": 1e-3} for point in POINTS]


def test_curves_come_back_as_written_with_null_for_no_kl(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        write_curves(tmp_path / name, CURVE)
    assert read_curves(tmp_path / "a.parquet") == CURVE
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_an_empty_curve_is_an_empty_table(tmp_path: Path) -> None:
    write_curves(tmp_path / "c.parquet", [])
    assert read_curves(tmp_path / "c.parquet") == []
