"""Documents from JSON lines: one object a line, with a text and perhaps an id."""

import json
import re
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from storage.documents.document_records import (
    MAX_DOCUMENT_BYTES,
    Document,
    Fields,
    Reject,
    accept,
    too_long,
)
from storage.documents.document_sources import FileSource
from storage.objects.compressed_files import open_sound
from storage.objects.damaged_files import DamagedFile

_ONE_VALUE = re.compile(rb"\s*(\[\s*(\{|$)|\{\s*$)")
"""How an array of objects starts, and an object over many lines."""
_REMEDY = "write it as JSON Lines, one object a line (`jq -c .[]` does so with an array)"


def read_jsonl(source: FileSource, fields: Fields, *, keep: bool) -> Iterator[Document | Reject]:
    """Reads every line that is not blank.

    Strict where the tolerance of Python's parser would have to guess: NaN, two values for one key
    and raw control characters make a record a reject.

    Args:
        source: The file, plain or compressed.
        fields: Names of the text's and the id's field.
        keep: Whether to yield what lies before the damage of a damaged file.

    Raises:
        DamagedFile: The file as a whole is damaged, or is one JSON value; nothing was yielded but
            what was to be kept.
    """
    with open_sound(source.path, keep=keep) as stream:
        for number, line in enumerate(read_lines(stream, MAX_DOCUMENT_BYTES), start=1):
            if line is None:
                yield too_long(source.name, number)
            elif number == 1 and _ONE_VALUE.match(line):
                size = source.path.stat().st_size
                raise DamagedFile(f"it is one JSON value, not one a line; {_REMEDY}", size)
            elif line.strip():
                yield _parse(source.name, number, line, fields)


def _parse(file: str, number: int, line: bytes, fields: Fields) -> Document | Reject:
    try:
        record = json.loads(
            line.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique_keys
        )
    except UnicodeDecodeError as error:
        return Reject(file, number, "not UTF-8", f"{error.reason} at byte {error.start}")
    except (ValueError, RecursionError) as error:
        return Reject(file, number, "malformed JSON", str(error))
    if not isinstance(record, dict):
        return Reject(file, number, "not an object", f"the line is a {type(record).__name__}")
    return accept(file, number, record.get(fields.id), record.get(fields.text), fields)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key occurs twice")
    return record


def read_lines(stream: BinaryIO, limit: int) -> Iterator[bytes | None]:
    """Yields lines, in bounded memory.

    Args:
        stream: Bytes of text.
        limit: Most bytes of a line; None stands for a longer one.
    """
    while line := stream.readline(limit):
        if len(line) < limit or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(limit)
        yield None
