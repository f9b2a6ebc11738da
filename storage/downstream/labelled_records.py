"""Labelled records of the downstream data sets, from the forms in which they are published."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from storage.downstream.downstream_labels import describe_labels, label_number
from storage.downstream.record_rows import RecordRow, read_rows
from storage.objects.store_errors import SourceError


class LabelledRecord(NamedTuple):
    """One labelled record.

    Attributes:
        record_id: Its id, once in the file; `<dataset>#<record number>` where the file has none.
        fields: Its texts by name: `text` (and `title`), `premise` and `hypothesis`, or `title`,
            `content` and `answer`.
        label: Number of its label.
    """

    record_id: str
    fields: Mapping[str, str]
    label: int


class Layout(NamedTuple):
    """In which columns a record's texts are, by field, and in which its label."""

    columns: Mapping[str, str]
    label: str = "label"


_TEXT = Layout({"text": "text"})
_PAIR = Layout({"premise": "premise", "hypothesis": "hypothesis"})
LAYOUTS: Mapping[str, tuple[Layout, ...]] = {
    "sst2": (Layout({"text": "sentence"}), _TEXT),
    **dict.fromkeys(("mr", "cr", "rt"), (_TEXT,)),
    "hyp": (Layout({"text": "text"}, "hyperpartisan"), _TEXT),
    "cb": (_PAIR,),
    "rte": (_PAIR, Layout({"premise": "sentence1", "hypothesis": "sentence2"})),
    "agn": (Layout({"title": "title", "text": "text"}), _TEXT),
    "yahoo": (
        Layout(
            {"title": "question_title", "content": "question_content", "answer": "best_answer"},
            "topic",
        ),
        _TEXT,
    ),
}
"""Forms of each data set; the first whose columns a record has is taken."""

ID_COLUMNS = ("id", "idx")


def read_labelled_records(dataset: str, path: Path) -> list[LabelledRecord]:
    """Reads all records of a data set; one that is unsound is an error, since it would be missing.

    Args:
        dataset: Name of the data set.
        path: JSON lines, CSV or Parquet. A label is a number or a name; in a record that lists its
            `choices`, a number counts in these.

    Returns:
        The records in the order of the file, at least one.

    Raises:
        SourceError: The file or a record cannot be used; the message says which and the remedy.
    """
    records = list(_records(dataset, path))
    if not records:
        raise SourceError(f"{path.name}: holds no record; give a file of {dataset}")
    seen: set[str] = set()
    for number, record in enumerate(records, start=1):
        if record.record_id in seen:
            raise SourceError(
                f"{path.name}: record {number} has an id that an earlier one has, "
                f"{record.record_id!r}; make the ids unique, or leave them out"
            )
        seen.add(record.record_id)
    return records


def _records(dataset: str, path: Path) -> Iterator[LabelledRecord]:
    for number, row in read_rows(path):
        place = f"{path.name}: record {number}"
        layout = _layout(dataset, row, place)
        given = next((row[name] for name in ID_COLUMNS if row.get(name) is not None), None)
        record_id = f"{dataset}#{number}" if given is None else _printable(str(given))
        yield LabelledRecord(
            record_id, _fields(row, layout, place), _label(dataset, row, layout, place)
        )


def _layout(dataset: str, row: RecordRow, place: str) -> Layout:
    for layout in LAYOUTS[dataset]:
        if {*layout.columns.values(), layout.label} <= row.keys():
            return layout
    expected = " or ".join(
        ", ".join((*layout.columns.values(), layout.label)) for layout in LAYOUTS[dataset]
    )
    raise SourceError(
        f"{place}: a record of {dataset} has the columns {expected}; this one has "
        f"{', '.join(map(str, row))}; rename them, or name the right file in "
        f"config.comparison.downstream.tasks.{dataset}"
    )


def _fields(row: RecordRow, layout: Layout, place: str) -> dict[str, str]:
    """The record's texts, without a title that is blank beside a text that is not."""
    fields: dict[str, str] = {}
    for field, column in layout.columns.items():
        value = row[column]
        if not isinstance(value, str):
            raise SourceError(
                f"{place}: {column!r} is {_type(value)}, not a string; mend or remove the record"
            )
        if _printable(value) != value:
            raise SourceError(
                f"{place}: {column!r} holds half of a surrogate pair, which is no text; mend or "
                "remove the record"
            )
        fields[field] = value
    if not any(value.strip() for value in fields.values()):
        raise SourceError(f"{place}: it has no text; mend or remove the record")
    if "text" in fields and not fields.get("title", "title").strip():
        del fields["title"]
    return fields


def _label(dataset: str, row: RecordRow, layout: Layout, place: str) -> int:
    value, choices = row[layout.label], row.get("choices")
    if isinstance(choices, list) and isinstance(value, int):
        value = choices[value] if 0 <= value < len(choices) else None
    label = label_number(dataset, value)
    if label is None:
        raise SourceError(
            f"{place}: {layout.label} {row[layout.label]!r} is no label of {dataset} "
            f"({describe_labels(dataset)}); give a split that is labelled, with these labels"
        )
    return label


def _printable(text: str) -> str:
    """The text, with halves of surrogate pairs, which UTF-8 cannot hold, spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _type(value: object) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"
