"""Word lists that stand for the labels of the downstream data sets, from a JSON file.

One object; each of its members that is an object is a group of data sets: `label_order` names the
labels, `synonyms` lists the strings of each, in this order, and `tasks` the data sets, where they
are not the one that the member is named after.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from storage.downstream.downstream_labels import LABEL_NAMES, describe_labels, label_number
from storage.objects.store_errors import SourceError

Synonyms = tuple[tuple[str, ...], ...]


def read_verbalizers(path: Path) -> dict[str, Synonyms]:
    """Reads the strings of every label, by data set.

    Returns:
        For each data set that the file names, its labels' strings, in the order of the labels.

    Raises:
        SourceError: The file does not have this form, or names an unknown data set or label.
    """
    try:
        content = json.loads(path.read_bytes().decode())
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path.name}: cannot be read as JSON: {error}; mend it") from error
    if not isinstance(content, dict):
        raise SourceError(f"{path.name}: must hold one JSON object, with a member per task")
    groups = {name: group for name, group in content.items() if isinstance(group, dict)}
    return {
        dataset: _synonyms(dataset, group, f"{path.name}: {name}")
        for name, group in groups.items()
        for dataset in _datasets(name, group, path.name)
    }


def _datasets(name: str, group: Mapping[str, object], file: str) -> Iterator[str]:
    tasks = group.get("tasks", [name])
    for dataset in tasks if isinstance(tasks, list) else [tasks]:
        if dataset not in LABEL_NAMES:
            known = ", ".join(LABEL_NAMES)
            raise SourceError(f"{file}: {name}: no task is called {dataset!r}; known: {known}")
        yield dataset


def _synonyms(dataset: str, group: Mapping[str, object], place: str) -> Synonyms:
    order, synonyms = group.get("label_order"), group.get("synonyms")
    numbers = [label_number(dataset, name) for name in order] if isinstance(order, list) else []
    if sorted(-1 if number is None else number for number in numbers) != [
        *range(len(LABEL_NAMES[dataset]))
    ]:
        raise SourceError(
            f"{place}: label_order must name each label of {dataset} once: "
            f"{describe_labels(dataset)}"
        )
    if not isinstance(synonyms, list) or len(synonyms) != len(numbers):
        raise SourceError(f"{place}: synonyms must hold a list for each label of label_order")
    by_label = dict(zip(numbers, synonyms, strict=True))
    for label, strings in sorted(by_label.items()):
        if not isinstance(strings, list) or not strings or not all(map(_is_word, strings)):
            raise SourceError(
                f"{place}: the synonyms of label {label} must be a list of strings that are not "
                "blank, at least one"
            )
    return tuple(tuple(by_label[label]) for label in range(len(numbers)))


def _is_word(string: object) -> bool:
    return isinstance(string, str) and bool(string.strip())
