"""What every reader of documents yields: a sound document, or a reject with its reason."""

import unicodedata
from typing import NamedTuple

DAMAGED_FILE = "damaged file"
"""Kind of the reject of a file that cannot be read to its end."""
MAX_DOCUMENT_BYTES = 16_000_000  # as UTF-8; to tokenise as much at once takes 2 GB of memory


class Fields(NamedTuple):
    """Names of the fields (or columns) that hold a record's text and id."""

    text: str
    id: str


class Document(NamedTuple):
    """One sound document.

    Attributes:
        file: Name of the source it came from.
        record: Its number there, from 1: line, row, module.
        doc_id: Its id.
        text: Its text, with at least one letter, digit or symbol.
        work: What decides its split: the id, without the `#piece` of a given id.
    """

    file: str
    record: int
    doc_id: str
    text: str
    work: str


class Reject(NamedTuple):
    """One record that is not used, or a whole file (record 0).

    Attributes:
        file: Name of the source.
        record: Number of the record, from 1; 0 for the whole file.
        kind: The reason in two or three words, for counting.
        detail: What exactly.
        lost_bytes: Of a damaged file: how many of its bytes are in no other record.
    """

    file: str
    record: int
    kind: str
    detail: str
    lost_bytes: int = 0


def accept(
    file: str, record: int, doc_id: object, text: object, fields: Fields
) -> Document | Reject:
    """Turns the two values of a record into a document, if they are sound.

    Args:
        file: Name of the source.
        record: Number of the record, from 1.
        doc_id: Value of the id field, None when there is none; a whole number becomes its decimals.
        text: Value of the text field, None when there is none.
        fields: Their names, for the reason.
    """
    if text is None:
        return Reject(file, record, "missing text", f"field {fields.text!r} is absent or null")
    if not isinstance(text, str):
        return Reject(file, record, "wrong type", f"{fields.text!r} is {_type(text)}, not a string")
    named = str(doc_id) if isinstance(doc_id, int) and not isinstance(doc_id, bool) else doc_id
    if not isinstance(named, str | None):
        wanted = "neither a string nor a whole number"
        return Reject(file, record, "wrong type", f"{fields.id!r} is {_type(doc_id)}, {wanted}")
    return _checked(file, record, named or "", text)


def _checked(file: str, record: int, doc_id: str, text: str) -> Document | Reject:
    """Turns text and id (empty: none) into a document, if they can be encoded and say something."""
    try:
        size = len(text.encode()) + len(doc_id.encode())
    except UnicodeEncodeError:
        return Reject(file, record, "not Unicode", "it holds half of a surrogate pair")
    if size > MAX_DOCUMENT_BYTES:
        return too_long(file, record)
    if not _says_something(text):
        return Reject(file, record, "empty text", "no letter, digit or symbol in it")
    if not doc_id:
        derived = f"{file}#{record}"
        return Document(file, record, derived, text, work=derived)
    return Document(file, record, doc_id, text, work=doc_id.partition("#")[0] or doc_id)


def too_long(file: str, record: int) -> Reject:
    """The reject of a document that would not fit in memory."""
    limit = f"more than {MAX_DOCUMENT_BYTES:,} bytes; cut it into pieces `id#1`, `id#2`, ..."
    return Reject(file, record, "too long", limit)


def _type(value: object) -> str:
    return f"of type {type(value).__name__}"


def _says_something(text: str) -> bool:
    return any(unicodedata.category(character)[0] in "LNS" for character in text)
