"""The strings that are scored, spelled out: a changed space changes every score."""

import pytest

from memdec_core.downstream.downstream_config import DatasetName
from memdec_core.downstream.downstream_prompts import DATASET_PROMPTS, prompt_text

REVIEW = {"text": "A {fine} film ."}
PAIR = {"premise": "It rains.", "hypothesis": "It is wet"}
EXPECTED: list[tuple[DatasetName, dict[str, str], str, str]] = [
    ("sst2", REVIEW, "A {fine} film . It was", " It was"),
    ("mr", REVIEW, "A {fine} film . It was", " It was"),
    ("cr", REVIEW, "A {fine} film . It was", " It was"),
    ("rt", REVIEW, "A {fine} film . It was", " It was"),
    (
        "hyp",
        {"text": "They lie."},
        "They lie.\n neutral or partisan? Answer:",
        "\n neutral or partisan? Answer:",
    ),
    (
        "cb",
        PAIR,
        ' question: Given that "It rains." Is "It is wet" true, false, or neither?\n answer:',
        " the answer is:",
    ),
    (
        "rte",
        PAIR,
        " It rains.\n question: It is wet true or false?\n answer:",
        " true or false?\n answer:",
    ),
    ("agn", {"title": "Oil", "text": "It rises."}, "Oil \n It rises. topic:", " topic:"),
    ("agn", {"text": "Oil rises."}, "Oil rises. topic:", " topic:"),
    (
        "yahoo",
        {"title": "Why?", "content": "", "answer": "So."},
        "title: Why? content:  answer: So. topic:",
        " topic:",
    ),
    ("yahoo", {"text": "Why? So."}, "Why? So. topic:", " topic:"),
]


@pytest.mark.parametrize(("task", "fields", "prompt", "premise"), EXPECTED)
def test_prompts_and_domain_premises_are_those_of_the_literature(
    task: DatasetName, fields: dict[str, str], prompt: str, premise: str
) -> None:
    assert prompt_text(task, fields) == prompt
    assert DATASET_PROMPTS[task].domain_premise == premise


def test_every_choice_begins_with_a_space_and_stands_for_one_label() -> None:
    labels = {task: len(prompt.verbalizers) for task, prompt in DATASET_PROMPTS.items()}
    assert labels == {
        **dict.fromkeys(("sst2", "mr", "cr", "rt", "hyp", "rte"), 2),
        "cb": 3,
        "agn": 4,
        "yahoo": 10,
    }
    for prompt in DATASET_PROMPTS.values():
        strings = [string for strings in prompt.verbalizers for string in strings]
        assert len(set(strings)) == len(strings)
        assert all(string[0] == " " and string[1:].isalpha() for string in strings)
