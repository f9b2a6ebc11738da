"""What decides a corpus: the names and contents of all that is read, and how it is split."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import JsonValue

from memdec_core.corpus_config import CorpusConfig
from memdec_core.errors import UserError
from storage.document_files import SourceError
from storage.document_sources import Source, resolve_sources
from storage.source_digests import source_digest

ENTRY_FIELDS = {"train": "documents", "valid": "valid_documents", "test": "test_documents"}


def corpus_identity(config: CorpusConfig) -> dict[str, JsonValue]:
    """What the corpus depends on, without a path: names and digests of all that is read.

    Args:
        config: The corpus's configuration.

    Raises:
        UserError: An entry names nothing, or what it names cannot be read.
    """
    with source_errors():
        contents: dict[str, JsonValue] = {
            role: [[name, digest] for name, digest in sorted(map(_named_digest, sources))]
            for role, sources in corpus_sources(config).items()
        }
    valid_share, test_share = split_shares(config)
    return {
        "contents": contents,
        "valid_share": valid_share,
        "test_share": test_share,
        "text_field": config.text_field,
        "id_field": config.id_field,
        "part_characters": config.part_characters,
    }


def corpus_sources(config: CorpusConfig) -> dict[str, list[Source]]:
    """What the entries of each role name: train (parts of it may be held out), valid, test.

    Raises:
        SourceError: An entry names nothing.
    """
    entries: dict[str, Sequence[str]] = {
        role: getattr(config, name) for role, name in ENTRY_FIELDS.items()
    }
    return resolve_sources(
        entries, {role: f"config.corpus.{ENTRY_FIELDS[role]}" for role in entries}
    )


def split_shares(config: CorpusConfig) -> tuple[float, float]:
    """Shares of `documents` that go to valid and to test: none where they have entries."""
    return (
        0.0 if config.valid_documents else config.valid_fraction,
        0.0 if config.test_documents else config.test_fraction,
    )


@contextmanager
def source_errors() -> Iterator[None]:
    """Turns what is wrong with a source into the user's error, which the command shows."""
    try:
        yield
    except SourceError as error:
        raise UserError(str(error)) from error


def _named_digest(source: Source) -> tuple[str, str]:
    return source.name, source_digest(source)
