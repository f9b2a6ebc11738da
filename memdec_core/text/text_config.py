"""Configuration of the text: documents, their split, tokens, and how a corpus is watched."""

from typing import Literal

from pydantic import BaseModel, Field

_ENTRY = (
    "Each entry is a file (.jsonl, .ndjson, .json, .parquet, .txt, .text, .md, .rst, .tokens; all "
    "but Parquet may be .gz or .zst), a folder or a glob of such files, `s3://BUCKET/KEY` or "
    "`s3://BUCKET/PREFIX` (one such object, or all below), `datasets:NAME[:CONFIG]` "
    "(a data set of the hub or a local folder of the datasets library) or `docstrings:PACKAGE` "
    "(documentation text of an installed package or part of one, as `torch` or `torch.nn`; "
    "`stdlib` for Python's own library). Relative paths start at the current directory."
)


class CorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """The corpus stage's configuration; what is hashed of it are the documents' contents."""

    documents: tuple[str, ...] = Field(
        min_length=1,
        description="Where documents come from. They are train, but for the share that goes to "
        f"each held-out split without entries of its own. {_ENTRY}",
    )
    valid_documents: tuple[str, ...] = Field(
        (), description="Entries whose documents are all valid; then none of `documents` is."
    )
    test_documents: tuple[str, ...] = Field(
        (), description="Entries whose documents are all test; then none of `documents` is."
    )
    valid_fraction: float = Field(
        0.05, gt=0, le=0.4, description="Share of `documents` for valid, if it has no entries."
    )
    test_fraction: float = Field(
        0.05, gt=0, le=0.4, description="Share of `documents` for test, if it has no entries."
    )
    text_field: str = Field(
        "text", min_length=1, description="Field or column that holds a record's text."
    )
    id_field: str = Field(
        "id",
        min_length=1,
        description="Field or column that holds a record's id (a string or a whole number), unique "
        "within a split. A record without one is called `<file>#<record number>`. Pieces of one "
        "work share the id before `#` and always the split.",
    )
    max_rejected: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Largest share of the records that may be rejected before a run stops; "
        "repeated texts do not count. It changes no artifact.",
    )
    damaged: Literal["stop", "keep"] = Field(
        "stop",
        description="What becomes of a file that cannot be read to its end: the run stops, or what "
        "lies before the damage is kept (whole lines, row groups) and the bytes lost are counted.",
    )
    part_characters: int = Field(
        8_000_000,
        ge=1,
        description="Most characters of text in one part, the unit of tokenisation (a single "
        "longer document makes a part of its own).",
    )
    license: str | None = Field(
        None,
        min_length=1,
        description="Licence of the documents, such as `cc-by-4.0`, for the card of an exported "
        "model; it changes no artifact.",
    )
    language: str | None = Field(
        None,
        min_length=2,
        description="Language of the documents, such as `en`, for the same card.",
    )


class TokensConfig(BaseModel, frozen=True, extra="forbid"):
    """How documents become token ids."""

    separator: Literal["eos", "none"] = Field(
        "eos",
        description="What ends every document in the token stream: the tokenizer's end-of-sequence "
        "token, which the memory then learns to predict, or nothing.",
    )


class WatchConfig(BaseModel, frozen=True, extra="forbid"):
    """When documents that change count as changed; it changes no artifact."""

    quiet_seconds: float = Field(
        60.0,
        ge=0,
        le=3600,
        description="Seconds for which files have to stay as they are before they are read, so "
        "that a burst of changes is one change and a half-written file is none. A look that has "
        "waited ten times as long in vain leaves the matter to the next one.",
    )
    max_removed: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Largest share of the documents that may be gone at once. Of more, a folder "
        "that is not mounted say, nothing is announced until somebody confirms it.",
    )
