import json
from pathlib import Path

import pytest

from storage.downstream.verbalizer_file import read_verbalizers
from storage.objects.store_errors import SourceError

GROUP = {"label_order": ["negative", "positive"], "synonyms": [[" bad"], [" good", " nice"]]}


def write(folder: Path, content: object) -> Path:
    path = folder / "words.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_groups_give_their_words_to_every_task_they_name_in_the_order_of_its_labels(
    tmp_path: Path,
) -> None:
    cb = {
        "label_order": ["neutral", "entailment", "contradiction"],
        "synonyms": [[" neither"], [" true", " yes"], [" false"]],
    }
    content = {"note": "words", "sentiment": GROUP | {"tasks": ["mr", "cr"]}, "cb": cb}
    sentiment = ((" bad",), (" good", " nice"))
    assert read_verbalizers(write(tmp_path, content)) == {
        "mr": sentiment,
        "cr": sentiment,
        "cb": ((" true", " yes"), (" false",), (" neither",)),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([GROUP], r"words\.json: must hold one JSON object"),
        ({"sentiment": GROUP}, r"sentiment: no task is called 'sentiment'; known: sst2"),
        ({"mr": GROUP | {"tasks": ["sst3"]}}, r"no task is called 'sst3'"),
        ({"mr": GROUP | {"label_order": ["negative", "bad"]}}, r"mr: label_order must name each"),
        ({"mr": GROUP | {"label_order": ["negative"]}}, r"mr: label_order must name each"),
        ({"mr": {"synonyms": [[" a"], [" b"]]}}, r"mr: label_order must name each"),
        ({"mr": GROUP | {"synonyms": [[" bad"]]}}, r"mr: synonyms must hold a list for each"),
        ({"mr": GROUP | {"synonyms": [[" bad"], []]}}, r"synonyms of label 1 .* at least one"),
        ({"mr": GROUP | {"synonyms": [[" "], [" a"]]}}, r"synonyms of label 0 .* not blank"),
        ({"mr": GROUP | {"synonyms": [[" a"], [3]]}}, r"synonyms of label 1"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_place(
    tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        read_verbalizers(write(tmp_path, content))


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text("{", encoding="utf-8")
    with pytest.raises(SourceError, match=r"words\.json: cannot be read as JSON"):
        read_verbalizers(tmp_path / "words.json")


def test_the_literatures_lists_are_read_whole() -> None:
    path = Path("../shared/data/tasks") / "verbalizers.json"
    if not path.exists():
        pytest.skip(f"NOT TESTED: the literature's word lists, which are not at {path}")
    lists = read_verbalizers(path)
    counts = {task: [len(words) for words in synonyms] for task, synonyms in lists.items()}
    assert counts == {
        **{task: [224, 267] for task in ("sst2", "mr", "cr", "rt")},
        "agn": [376, 350, 287, 366],
        "yahoo": [578, 595, 232, 615, 592, 331, 443, 902, 528, 561],
        "rte": [5, 6],
        "hyp": [3, 3],
        "cb": [5, 6, 1],
    }
