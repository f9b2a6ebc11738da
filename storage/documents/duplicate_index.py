"""Remembers which texts and ids have been seen, on disk, so that memory does not grow with them."""

import hashlib
import sqlite3
from pathlib import Path

from storage.documents.document_records import Document, Reject

DUPLICATE_TEXT = "duplicate text"
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE texts (hash BLOB PRIMARY KEY, doc_id TEXT) WITHOUT ROWID;
CREATE TABLE ids (hash BLOB PRIMARY KEY, text_hash BLOB) WITHOUT ROWID;
"""


class DuplicateIndex:
    """Tells new documents from repeated ones; the first of its kind is kept.

    Texts are compared over all splits, so that none is both trained on and tested on; ids only
    within a split, since splits in files of their own often count from 0 each.
    """

    def __init__(self, path: Path) -> None:
        """Creates the index in a file, which the caller deletes after `close`."""
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")

    def add(self, split: str, document: Document) -> Reject | None:
        """Adds a document, or says why it is not new.

        Returns:
            None when both its text and its id are new; otherwise the reject to list: the same text
            under whatever id, or another text under an id that is taken.
        """
        text_hash = text_digest(document.text)
        id_hash = text_digest(f"{split}\0{document.doc_id}")
        with_id = self._first("SELECT text_hash FROM ids WHERE hash = ?", id_hash)
        if with_id is not None and with_id != text_hash:
            detail = f"another text is called {document.doc_id!r}; the first one is kept"
            return Reject(document.file, document.record, "duplicate id", detail)
        with_text = self._first("SELECT doc_id FROM texts WHERE hash = ?", text_hash)
        if with_text is not None:
            detail = f"of {with_text!r}"
            return Reject(document.file, document.record, DUPLICATE_TEXT, detail)
        self._database.execute("INSERT INTO texts VALUES (?, ?)", (text_hash, document.doc_id))
        self._database.execute("INSERT INTO ids VALUES (?, ?)", (id_hash, text_hash))
        return None

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _first(self, query: str, key: bytes) -> bytes | str | None:
        row = self._database.execute(query, (key,)).fetchone()
        return row[0] if row else None


def text_digest(text: str) -> bytes:
    """What stands for a text where texts are compared: 16 bytes."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
