"""docs/data.md: every file of a store, what it holds and how to open it.

`python -m storage.data_reference` prints it, from the words that the files carry themselves.
"""

import sys

import pyarrow as pa

from storage.formats import (
    choice_parquet,
    corpus_parquet,
    embedding_zarr,
    position_columns,
    row_tables,
    target_parquet,
    token_shards,
)
from storage.formats.data_file import Column, DataFile
from storage.looks import document_table

TABLES = (
    corpus_parquet.DOCUMENTS,
    corpus_parquet.REJECTS,
    token_shards.ENCODED,
    embedding_zarr.DATASTORE_ROWS,
    target_parquet.SPARSE_ROWS,
    row_tables.LOSS_CURVES,
    position_columns.SCORES,
    row_tables.RESULTS,
    row_tables.ALPHA_CURVE,
    row_tables.CHECKS,
    choice_parquet.STRINGS,
    choice_parquet.RECORDS,
    row_tables.LATENCIES,
    row_tables.MEMORISED,
    position_columns.FEATURES,
    position_columns.ROUTED,
    row_tables.MIXTURE_CURVES,
    row_tables.RELIABILITY_BINS,
    row_tables.JOINT_RESULTS,
)
"""Files with columns, in the order of the stages."""

_MODELS = ("base_model", "student", "memory", "adapted_model")
FILES = (
    token_shards.TOKENS,
    token_shards.LENGTHS,
    DataFile("model.safetensors", _MODELS, "A model's weights, for `from_pretrained`"),
    DataFile("model-*.safetensors", _MODELS, "The same in parts"),
    DataFile("*.json", _MODELS, "Its configuration and its tokenizer"),
    DataFile("chat_template.jinja", _MODELS, "How it is spoken to, where it says so"),
    DataFile("index.faiss", ("index",), "An index for `faiss.read_index`"),
    DataFile("keys.npy", ("index",), "Keys where the index rounds them; float16 (rows, width)"),
    DataFile("router.safetensors", ("alpha_router",), "Weights of the router"),
    DataFile("router.json", ("alpha_router",), "What it was fitted with, and its features"),
    DataFile(
        "report.md",
        ("report", "promotion_gate", "comparison", "domains"),
        "The artifact's page, with its pictures beside it",
    ),
    DataFile(
        "*.png",
        (
            *("base_model", "memory", "adapted_model", "index", "evaluation", "report"),
            *("latency", "comparison", "domains"),
        ),
        "Pictures",
    ),
)
"""Files without columns."""

_NUMBERS = {"halffloat": "float16", "float": "float32", "double": "float64"}

_INTRODUCTION = """\
# The data of a store

Written by `make docs` from the descriptions that the files carry; a test compares the two.

`memdec artifacts path ID` prints the path, or a glob, of every file of an artifact. pyarrow,
polars, pandas and DuckDB read the Parquet files, zarr and xarray the Zarr groups:

```python
import duckdb, polars, pyarrow.parquet, xarray

polars.read_parquet(glob)
duckdb.sql(f"SELECT len(probs), tail_mass FROM '{glob}'")
xarray.open_zarr(group, consolidated=False)
```

A Parquet file says what it is and of which artifact (`polars.read_parquet_metadata(path)`, or
DuckDB's `parquet_kv_metadata(path)`) and describes its columns
(`pyarrow.parquet.read_schema(path)`); a Zarr group and its arrays do so in their attributes. Files
of older stores have the same columns.
"""

_MANIFEST = """\
`manifest.json` of an artifact lists its files with sizes and SHA-256, its configuration, inputs and
figures; `memdec artifacts show ID` prints it."""


def data_reference() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_INTRODUCTION, *map(_section, (*TABLES, document_table.SEEN)), _others()])


def _section(file: DataFile) -> str:
    rows = [
        f"| `{column.name}` | {_type(column)} | {column.units} | {column.words} |"
        for column in file.columns
    ]
    table = "\n".join(["| Column | Type | Units | |", "|---|---|---|---|", *rows])
    return f"## {_title(file)}\n\n{file.words}.\n\n{table}\n"


def _title(file: DataFile) -> str:
    return f"`{file.name}` of {', '.join(file.stages) or 'the looks of a watch'}"


def _type(column: Column) -> str:
    listed = pa.types.is_list(column.type)
    name = str(column.type.value_type if listed else column.type)
    words = f"list of {_NUMBERS.get(name, name)}" if listed else _NUMBERS.get(name, name)
    return words if column.nullable else f"{words}, never null"


def _others() -> str:
    rows = [f"| `{each.name}` | {', '.join(each.stages)} | {each.words} |" for each in FILES]
    table = "\n".join(["| File | Of | |", "|---|---|---|", *rows])
    return f"## Other files\n\n{table}\n\n{_MANIFEST}"


if __name__ == "__main__":
    sys.stdout.write(data_reference() + "\n")
