"""Labelled records of the downstream tasks, from the forms in which the data sets are published."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from storage.documents.document_files import SourceError
from storage.downstream.downstream_labels import describe_labels, label_number
from storage.downstream.record_rows import TaskRow, read_rows


class TaskRecord(NamedTuple):
    """One labelled record.

    Attributes:
        record_id: Its id, once in the file; `<task>#<record number>` where the file has none.
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
"""Forms of each task; the first whose columns a record has is taken."""

ID_COLUMNS = ("id", "idx")


def read_task_records(task: str, path: Path) -> list[TaskRecord]:
    """Reads all records of a task; one that is unsound is an error, since it would be missing.

    Args:
        task: Name of the task.
        path: JSON lines, CSV or Parquet. A label is a number or a name; in a record that lists its
            `choices`, a number counts in these.

    Returns:
        The records in the order of the file, at least one.

    Raises:
        SourceError: The file or a record cannot be used; the message says which and the remedy.
    """
    records = list(_records(task, path))
    if not records:
        raise SourceError(f"{path.name}: holds no record; give a file of {task}")
    seen: set[str] = set()
    for number, record in enumerate(records, start=1):
        if record.record_id in seen:
            raise SourceError(
                f"{path.name}: record {number} has an id that an earlier one has, "
                f"{record.record_id!r}; make the ids unique, or leave them out"
            )
        seen.add(record.record_id)
    return records


def _records(task: str, path: Path) -> Iterator[TaskRecord]:
    for number, row in read_rows(path):
        place = f"{path.name}: record {number}"
        layout = _layout(task, row, place)
        given = next((row[name] for name in ID_COLUMNS if row.get(name) is not None), None)
        record_id = f"{task}#{number}" if given is None else _printable(str(given))
        yield TaskRecord(record_id, _fields(row, layout, place), _label(task, row, layout, place))


def _layout(task: str, row: TaskRow, place: str) -> Layout:
    for layout in LAYOUTS[task]:
        if {*layout.columns.values(), layout.label} <= row.keys():
            return layout
    expected = " or ".join(
        ", ".join((*layout.columns.values(), layout.label)) for layout in LAYOUTS[task]
    )
    raise SourceError(
        f"{place}: a record of {task} has the columns {expected}; this one has "
        f"{', '.join(map(str, row))}; rename them, or name the right file in "
        f"config.comparison.downstream.tasks.{task}"
    )


def _fields(row: TaskRow, layout: Layout, place: str) -> dict[str, str]:
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


def _label(task: str, row: TaskRow, layout: Layout, place: str) -> int:
    value, choices = row[layout.label], row.get("choices")
    if isinstance(choices, list) and isinstance(value, int):
        value = choices[value] if 0 <= value < len(choices) else None
    label = label_number(task, value)
    if label is None:
        raise SourceError(
            f"{place}: {layout.label} {row[layout.label]!r} is no label of {task} "
            f"({describe_labels(task)}); give a split that is labelled, with these labels"
        )
    return label


def _printable(text: str) -> str:
    """The text, with halves of surrogate pairs, which UTF-8 cannot hold, spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _type(value: object) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"
