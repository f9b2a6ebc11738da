"""Documents from a data set of the Hugging Face `datasets` library, streamed row by row."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from storage.documents.document_records import Document, Fields, Reject, accept
from storage.documents.document_sources import DatasetSource
from storage.objects.store_errors import SourceError

_THEIR_NAMES = {
    "train": ("train",),
    "valid": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
_SAVED = ("dataset_dict.json", "state.json")  # what `save_to_disk` leaves


def read_dataset(source: DatasetSource, fields: Fields) -> Iterator[Document | Reject]:
    """Reads the split that fits the source's role; the only split, where there is one.

    Args:
        source: The data set.
        fields: Names of the text's and the id's column.

    Raises:
        SourceError: The data set cannot be read, or not to its end.
    """
    number = 0
    try:
        for number, row in enumerate(_rows(source), start=1):
            yield accept(source.name, number, row.get(fields.id), row.get(fields.text), fields)
    except SourceError:
        raise
    except Exception as error:
        raise _unreadable(source, f"after row {number}: {error}") from error


def hub_revision(source: DatasetSource) -> str:
    """The revision of a data set on the hub.

    Raises:
        SourceError: The hub cannot be reached and the data set is not in its local cache.
    """
    return str(_builder(source).hash)


def _rows(source: DatasetSource) -> Iterator[Mapping[str, Any]]:
    splits = _splits(source)
    wanted = next((name for name in _THEIR_NAMES[source.role] if name in splits), None)
    if wanted is None and len(splits) == 1:
        wanted = next(iter(splits))
    if wanted is None:
        raise _unreadable(source, f"no split for {source.role}, only {', '.join(splits)}")
    yield from splits[wanted]


def _splits(source: DatasetSource) -> Mapping[str, Any]:
    import datasets  # takes a second, and most corpora need none of it

    if any((Path(source.dataset) / name).exists() for name in _SAVED):
        saved = datasets.load_from_disk(source.dataset)  # memory-mapped
        return saved if isinstance(saved, datasets.DatasetDict) else {"all": saved}
    return dict(_builder(source).as_streaming_dataset())


def _builder(source: DatasetSource) -> Any:  # noqa: ANN401 - the library has no types
    import datasets

    try:
        return datasets.load_dataset_builder(source.dataset, source.config)
    except Exception as error:
        raise _unreadable(source, str(error)) from error


def _unreadable(source: DatasetSource, problem: str) -> SourceError:
    return SourceError(
        f"{source.name}: {problem}; check its name, configuration and the network, "
        "or save it as a folder and name that"
    )
