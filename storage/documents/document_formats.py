"""The formats of documents, told by how a file or an object is called."""

from pathlib import PurePath

JSONL, PARQUET, TEXT = "jsonl", "parquet", "text"
SUFFIXES = {
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".json": JSONL,
    ".parquet": PARQUET,
    ".txt": TEXT,
    ".text": TEXT,
    ".md": TEXT,
    ".rst": TEXT,
    ".tokens": TEXT,
}
_COMPRESSED = (".gz", ".zst")


def format_of(path: PurePath) -> str | None:
    """The format that a file's name promises, None when it promises none that we read."""
    suffix = path.suffix.lower()
    if suffix not in _COMPRESSED:
        return SUFFIXES.get(suffix)
    inner = SUFFIXES.get(PurePath(path.stem).suffix.lower())
    return None if inner == PARQUET else inner


def ending_of(path: PurePath) -> str:
    """The end of a name, for counting kinds: `.pdf`, `.csv.gz`; empty without one."""
    return "".join(path.suffixes[-2:] if path.suffix.lower() in _COMPRESSED else path.suffixes[-1:])
