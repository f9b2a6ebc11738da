"""docs/data.md, the files and what the files say of themselves are one."""

from pathlib import Path

import duckdb
import polars as pl

from memdec_core.router.router_features import FEATURES
from storage.data_reference import TABLES, data_reference
from storage.formats import position_columns
from storage.looks.document_table import SEEN, DocumentRows, write_table
from storage.store.artifact_store import Store
from tasks.jobs.stage_catalogue import STAGES
from tests.services.command_line import ROOT
from tests.support.described_files import undescribed
from tests.support.tiny_run import TinyRun


def test_the_page_is_the_one_that_make_docs_writes() -> None:
    assert (ROOT / "docs/data.md").read_text() == data_reference() + "\n", "run `make docs`"


def test_every_file_of_a_store_says_what_it_is_and_whose(tiny_run: TinyRun) -> None:
    store = Store.open(str(tiny_run.store))
    assert len(store.artifacts()) > 10
    assert undescribed(store) == []


def test_a_notebook_without_memdec_sees_it(tiny_run: TinyRun) -> None:
    path = next(tiny_run.store.glob("artifacts/targets/*/*/train-*/rows.parquet"))
    said = duckdb.execute(
        "SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)", [str(path)]
    )
    artifact = path.relative_to(tiny_run.store / "artifacts").parts[:2]
    assert dict(said.fetchall())["artifact"] == "/".join(artifact)


def test_what_a_look_saw_is_described_too(tmp_path: Path) -> None:
    write_table(DocumentRows().table(), tmp_path / "seen.parquet")
    assert pl.read_parquet_metadata(tmp_path / "seen.parquet")["description"] == SEEN.words


def test_stages_are_called_as_in_the_catalogue() -> None:
    assert {stage for table in TABLES for stage in table.stages} <= {*STAGES}


def test_features_are_described_in_the_order_of_the_router() -> None:
    assert tuple(column.name for column in position_columns.FEATURES.columns) == FEATURES
