"""What decides a corpus and the downstream data sets: names and contents of all that is read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

from memdec_core.downstream.downstream_config import DatasetName, DownstreamConfig
from memdec_core.errors import UserError
from memdec_core.text.document_split import split_by_name
from memdec_core.text.text_config import CorpusConfig
from storage.documents.document_readers import read_documents
from storage.documents.document_records import Document, Fields, Reject
from storage.documents.document_sources import FileSource, Source, resolve_sources
from storage.documents.source_digests import source_digest
from storage.objects.store_errors import SourceError

ENTRY_FIELDS = {"train": "documents", "valid": "valid_documents", "test": "test_documents"}

READING_ORDER = ("test", "valid", "train")
"""Of a text that occurs in several splits the held-out one is kept: none leaks into train."""


def corpus_identity(config: CorpusConfig) -> dict[str, JsonValue]:
    """What the corpus depends on, without a path: names and digests of all that is read.

    Args:
        config: The corpus's configuration.

    Raises:
        UserError: An entry names nothing, or what it names cannot be read.
    """
    with source_errors():
        digests = {
            role: [(source.name, source_digest(source)) for source in sources]
            for role, sources in corpus_sources(config).items()
        }
    return identity_of(digests) | reading_identity(config)


def identity_of(digests: Mapping[str, Iterable[tuple[str, str]]]) -> dict[str, JsonValue]:
    """The part of the identity that the sources decide.

    Args:
        digests: By role of the entries: name and digest of every source.
    """
    contents: dict[str, JsonValue] = {
        role: [[name, digest] for name, digest in sorted(sources)]
        for role, sources in digests.items()
    }
    return {"contents": contents}


def reading_identity(config: CorpusConfig) -> dict[str, JsonValue]:
    """The part of the identity that says how sources become documents."""
    valid_share, test_share = split_shares(config)
    kept: dict[str, JsonValue] = {"damaged": "keep"} if config.damaged == "keep" else {}
    return kept | {
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


def read_source(source: Source, config: CorpusConfig) -> Iterator[Document | Reject]:
    """Yields every record of a source as the configuration says; `read_documents` tells more.

    Raises:
        SourceError: The disk failed or a data set broke off.
    """
    fields = Fields(config.text_field, config.id_field)
    return read_documents(source, fields, keep_damaged=config.damaged == "keep")


def split_shares(config: CorpusConfig) -> tuple[float, float]:
    """Shares of `documents` that go to valid and to test: none where they have entries."""
    return (
        0.0 if config.valid_documents else config.valid_fraction,
        0.0 if config.test_documents else config.test_fraction,
    )


def split_of(role: str, document: Document, shares: tuple[float, float]) -> str:
    """The split of a document: its entries' role; of train, parts are held out.

    Args:
        role: Role of the entries that name its source.
        document: The document.
        shares: As `split_shares` gives them.
    """
    return split_by_name(document.work, *shares) if role == "train" else role


@contextmanager
def source_errors() -> Iterator[None]:
    """Turns what is wrong with a source into the user's error, which the command shows."""
    try:
        yield
    except SourceError as error:
        raise UserError(str(error)) from error


def downstream_identity(config: DownstreamConfig) -> dict[str, JsonValue]:
    """What choice scores depend on beside the model, without a path: digests of the files.

    Args:
        config: The downstream section.

    Raises:
        UserError: A file is not there or cannot be read.
    """
    content: dict[str, JsonValue] = config.model_dump(mode="json")
    content["tasks"] = {task: _digest(task_path(config, task)) for task in sorted(config.tasks)}
    path = verbalizers_path(config)
    return content | {"verbalizers": None if path is None else _digest(path)}


def task_path(config: DownstreamConfig, task: DatasetName) -> Path:
    """The file of a task's records.

    Raises:
        UserError: It is not there.
    """
    return _existing(config.tasks[task], f"config.comparison.downstream.tasks.{task}")


def verbalizers_path(config: DownstreamConfig) -> Path | None:
    """The file of word lists, None when none is given.

    Raises:
        UserError: It is not there.
    """
    if config.verbalizers is None:
        return None
    return _existing(config.verbalizers, "config.comparison.downstream.verbalizers")


def _existing(entry: str, place: str) -> Path:
    path = Path(entry).expanduser()
    if not path.is_file():
        raise UserError(
            f"{place}: {entry!r} is no file (looked from {Path.cwd()}); correct the path, or run "
            "from the folder that it starts in"
        )
    return path


def _digest(path: Path) -> str:
    with source_errors():
        return source_digest(FileSource(path.name, path))
