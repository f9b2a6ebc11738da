"""Nasty inputs, made and found, for tests that read documents."""

import json
import os
from pathlib import Path

import pytest

from storage.documents.document_readers import read_documents
from storage.documents.document_records import Document, Fields, Reject
from storage.documents.document_sources import resolve_sources

FIELDS = Fields(text="text", id="id")


def json_lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def numbered(count: int, start: int = 0) -> bytes:
    """Sound JSON lines: ids `doc/0`, `doc/1`, ... and different texts."""
    return json_lines(
        *({"id": f"doc/{i}", "text": f"This is text {i}."} for i in range(start, start + count))
    )


def read(
    path: Path | str, fields: Fields = FIELDS, *, keep_damaged: bool = False
) -> tuple[list[Document], list[Reject]]:
    """Reads one train entry to its end."""
    sources = resolve_sources({"train": [str(path)]}, {"train": "config.corpus.documents"})
    records = [
        record
        for source in sources["train"]
        for record in read_documents(source, fields, keep_damaged=keep_damaged)
    ]
    documents = [record for record in records if isinstance(record, Document)]
    return documents, [record for record in records if isinstance(record, Reject)]


def reasons(rejects: list[Reject]) -> dict[int, str]:
    """Kinds of the rejects by record number."""
    return {reject.record: reject.kind for reject in rejects}


def shared_data(folder: str) -> Path:
    """A folder of the development data; skips the test where there is none."""
    root = Path(os.environ.get("MEMDEC_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (root / folder).is_dir():
        pytest.skip(f"no development data in {root}: set MEMDEC_DATA to its folder")
    return root / folder
