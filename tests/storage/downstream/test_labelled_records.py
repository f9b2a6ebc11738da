"""Records of the downstream tasks, from every form in which their data sets are published."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
import zstandard

from storage.downstream.labelled_records import LabelledRecord, read_labelled_records
from storage.objects.store_errors import SourceError

# what the hub's data sets hold, one record each, and what it means
PUBLISHED: list[tuple[str, dict[str, object], dict[str, str], int]] = [
    ("sst2", {"idx": 7, "sentence": "a fine film ", "label": 1}, {"text": "a fine film "}, 1),
    ("rt", {"text": "dull .", "label": 0}, {"text": "dull ."}, 0),
    ("mr", {"text": "dull .", "label": 0, "label_text": "neg"}, {"text": "dull ."}, 0),
    ("cr", {"text": "it works", "label": 1, "label_text": "positive"}, {"text": "it works"}, 1),
    ("agn", {"text": "Oil prices rise", "label": 2}, {"text": "Oil prices rise"}, 2),
    (
        "yahoo",
        {
            "id": 0,
            "topic": 4,
            "question_title": "Why?",
            "question_content": "",
            "best_answer": "Because.",
        },
        {"title": "Why?", "content": "", "answer": "Because."},
        4,
    ),
    (
        "cb",
        {"premise": "A, or B.", "hypothesis": "B", "idx": 3, "label": 2},
        {"premise": "A, or B.", "hypothesis": "B"},
        2,
    ),
    (
        "rte",
        {"premise": "A.", "hypothesis": "B", "idx": 3, "label": 0},
        {"premise": "A.", "hypothesis": "B"},
        0,
    ),
    (
        "rte",
        {"sentence1": "A.", "sentence2": "B", "idx": 3, "label": 1},
        {"premise": "A.", "hypothesis": "B"},
        1,
    ),
    (
        "hyp",
        {"text": "They lie!", "title": "Lies", "hyperpartisan": True, "url": "x"},
        {"text": "They lie!"},
        1,
    ),
]


def write(folder: Path, suffix: str, rows: list[dict[str, object]]) -> Path:
    path = folder / f"records{suffix}"
    if suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif suffix.startswith(".csv"):
        text = pl.DataFrame(rows).write_csv()
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    else:
        text = "\n".join(json.dumps(row) for row in rows)
        packed = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
        path.write_bytes(packed.get(Path(suffix).suffix, bytes)(text.encode()))
    return path


@pytest.mark.parametrize(
    "suffix", [".jsonl", ".json", ".jsonl.gz", ".jsonl.zst", ".csv", ".csv.gz", ".parquet"]
)
@pytest.mark.parametrize("task", range(len(PUBLISHED)))
def test_published_data_sets_are_read_in_every_format(
    tmp_path: Path, suffix: str, task: int
) -> None:
    name, row, fields, label = PUBLISHED[task]
    (record,) = read_labelled_records(name, write(tmp_path, suffix, [row]))
    expected_id = str(row.get("id", row.get("idx", f"{name}#1")))
    assert record == LabelledRecord(expected_id, fields, label)


def test_label_names_and_positions_in_listed_choices_count(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "premise": "A", "hypothesis": "B", "label": "neutral"},
        {"id": "b", "premise": "A", "hypothesis": "B", "label": "Contradiction"},
        {
            "id": "c",
            "premise": "A",
            "hypothesis": "B",
            "label": 0,
            "choices": ["neither", "true", "false"],
        },
    ]
    records = read_labelled_records("cb", write(tmp_path, ".jsonl", rows))
    assert [record.label for record in records] == [2, 1, 2]


def test_a_title_is_kept_unless_it_is_blank(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "title": "T", "text": "A", "label": 0},
        {"id": "b", "title": " ", "text": "B", "label": 3},
    ]
    records = read_labelled_records("agn", write(tmp_path, ".jsonl", rows))
    assert [record.fields for record in records] == [{"title": "T", "text": "A"}, {"text": "B"}]


GOOD = {"text": "fine", "label": 1}
BAD_RECORDS = {
    "unlabelled": ({"text": "fine", "label": -1}, r"record 2: label -1 is no label.*labelled"),
    "no such label": ({"text": "fine", "label": "meh"}, r"label 'meh' is no label of mr \(0 neg"),
    "beyond the labels": ({"text": "fine", "label": 2}, r"record 2: label 2 is no label"),
    "beyond its choices": (
        {"text": "fine", "label": 2, "choices": ["negative", "positive"]},
        r"record 2: label 2 is no label",
    ),
    "columns of another task": (
        {"sentence": "fine", "label": 1},
        r"record 2: .*columns text, label; this one has sentence, label.*downstream\.tasks\.mr",
    ),
    "null": ({"text": None, "label": 1}, r"record 2: 'text' is null.*mend or remove"),
    "not a string": ({"text": 3, "label": 1}, r"record 2: 'text' is of type int"),
    "blank": ({"text": " \n", "label": 1}, r"record 2: it has no text"),
    "half a character": ({"text": "\ud83d", "label": 1}, r"record 2: 'text' holds half"),
}


@pytest.mark.parametrize("fault", BAD_RECORDS)
def test_a_bad_record_is_named_with_its_file_and_a_remedy(tmp_path: Path, fault: str) -> None:
    row, message = BAD_RECORDS[fault]
    path = write(tmp_path, ".jsonl", [GOOD, row, GOOD])
    with pytest.raises(SourceError, match=message) as raised:
        read_labelled_records("mr", path)
    assert str(raised.value).startswith("records.jsonl: record 2: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "a", "label": 0}\n{"text": \n', r"line 2 is not JSON"),
        (b'{"text": "\xff", "label": 0}\n', r"line 1 is not JSON in UTF-8"),
        (b"[1]\n", r"line 1 is a list"),
        (b"\n\n", r"holds no record"),
        (gzip.compress(b'{"text": "a", "label": 0}\n' * 1000)[:-9], r"cannot be read.*gzip"),
    ],
)
def test_a_damaged_file_is_named_with_the_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"records\.jsonl: .*{message}"):
        read_labelled_records("mr", path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1 no", r"a\.parquet: cannot be read"),
        ("a.csv", b"text,label\na,1\nb,1,2,3\n", r"a\.csv: cannot be read"),
        ("a.csv", b"text,label\na,\n", r"a\.csv: record 1: label '' is no label"),
        ("a.csv", b"", r"a\.csv: "),
        ("a.tsv", b"text\tlabel\n", r"a\.tsv: not a format of records.*\.csv"),
        ("a.parquet.gz", b"", r"a\.parquet\.gz: not a format of records"),
    ],
)
def test_tables_that_cannot_be_read_are_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_labelled_records("mr", tmp_path / name)


def test_two_records_of_one_id_are_refused(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": "x", "text": "a", "label": 0}] * 2
    with pytest.raises(SourceError, match=r"record 2 has an id that an earlier one has, 'x'"):
        read_labelled_records("mr", write(tmp_path, ".jsonl", rows))


REAL_COUNTS = {
    "sst2": [2729, 3554],
    "mr": [3090, 3765],
    "cr": [317, 304],
    "rt": [2557, 3232],
    "agn": [2293, 286, 315, 2306],
    "yahoo": [2000, 2000, 0, 0, 0, 0, 0, 0, 0, 0],
    "cb": [115, 119, 16],
    "rte": [1249, 1238],
    "hyp": [297, 166],
}
FOLDER = Path("../shared/data/tasks")


@pytest.mark.parametrize("task", REAL_COUNTS)
def test_the_nine_tasks_have_the_labels_that_are_documented(task: str) -> None:
    path = FOLDER / f"{task}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"NOT TESTED: the real data sets, which are not in {FOLDER}")
    labels = [record.label for record in read_labelled_records(task, path)]
    counts = REAL_COUNTS[task]
    assert [labels.count(label) for label in range(len(counts))] == counts
