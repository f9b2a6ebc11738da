"""A store's files in the hands of ordinary tools: DuckDB and xarray, beside the readers of ours."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
import xarray

from storage.formats.embedding_zarr import EmbeddingReader
from storage.formats.target_parquet import TargetReader
from storage.store.artifact_store import Store
from tests.support.tiny_run import TinyRun


def files(run: TinyRun, pattern: str) -> list[Path]:
    found = sorted((run.store / "artifacts").glob(pattern))
    assert found
    return found


def in_duckdb(path: Path) -> pl.DataFrame:
    return duckdb.connect().read_parquet(str(path)).pl()


def test_duckdb_reads_every_parquet_file_as_polars_does(tiny_run: TinyRun) -> None:
    kinds = set()
    for path in files(tiny_run, "**/*.parquet"):
        kinds.add((path.relative_to(tiny_run.store / "artifacts").parts[0], path.name))
        expected, found = pl.read_parquet(path), in_duckdb(path)
        assert found.columns == expected.columns
        assert found.to_dicts() == expected.to_dicts()
    assert {stage for stage, _ in kinds} >= {"corpus", "tokens", "targets", "memory", "evaluation"}
    assert len(kinds) > 10


def test_duckdb_sums_the_probabilities_that_training_reads(tiny_run: TinyRun) -> None:
    path = files(tiny_run, "targets/*/*/train-*/rows.parquet")[0]
    rows = duckdb.connect().read_parquet(str(path))
    summed = rows.project("list_sum(probs) + tail_mass as one, len(token_ids) as entries").pl()
    np.testing.assert_allclose(summed["one"], 1, atol=1e-6)
    store = Store.open(str(tiny_run.store))
    (ref,) = [ref for ref in store.artifacts() if ref.stage == "targets"]
    read = TargetReader(store.readers(ref), "train").read(0, len(summed))
    assert summed["entries"].to_list() == np.diff(read.offsets_R1).tolist()


def test_xarray_opens_the_datastore_with_named_dimensions(tiny_run: TinyRun) -> None:
    store = Store.open(str(tiny_run.store))
    (ref,) = [ref for ref in store.artifacts() if ref.stage == "embeddings"]
    reader = EmbeddingReader(store.readers(ref), "valid")
    (group,) = files(tiny_run, "embeddings/*/*/valid-*/rows.zarr")
    opened: Any = xarray.open_zarr(group, consolidated=False)
    assert dict(opened.sizes) == {"row": reader.n_rows, "width": reader.width}
    np.testing.assert_array_equal(opened["keys_ND"].values, reader.keys())
    np.testing.assert_array_equal(opened["next_token_N"].values, reader.next_tokens())


@pytest.mark.parametrize("name", ["doc_N", "position_N"])
def test_every_array_of_the_datastore_is_a_column_by_row(tiny_run: TinyRun, name: str) -> None:
    (group,) = files(tiny_run, "embeddings/*/*/valid-*/rows.zarr")
    opened: Any = xarray.open_zarr(group, consolidated=False)
    assert opened[name].dims == ("row",)
