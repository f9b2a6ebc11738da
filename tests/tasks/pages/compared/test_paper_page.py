"""The paper's numbers stand beside ours for its own base models alone."""

import pytest

from tasks.pages.compared.paper_page import (
    DOWNSTREAM_TASKS,
    ELSEWHERE,
    paper_sections,
    paper_settings,
)
from tests.support.comparison_rows import Row, measured, row


def page_of(rows: list[Row], corpus: str | None = None) -> str:
    return "\n".join(line for section in paper_sections(rows, corpus) for line in section)


def test_a_base_that_is_not_the_papers_has_one_line() -> None:
    assert paper_sections(measured("gpt2-3.4M", 40.0, {"memory": 0.5})) == [
        ["## The paper's numbers", "", ELSEWHERE]
    ]
    assert paper_settings("acme/gpt2-xl-finetuned", None) == []


@pytest.mark.parametrize("base", ["gpt2-large", "openai-community/gpt2-large"])
def test_gpt2_stands_beside_wikitext(base: str) -> None:
    lines = page_of(measured(base, 16.0, {"dapt": 0.7, "memory": 0.75})).splitlines()
    assert "| system | ours | the paper's, WikiText-103 |" in lines
    assert "| base | 16.00 (15.95 – 16.05) | 15.80 |" in lines
    assert "| DAPT | 11.20 (11.15 – 11.25) | 11.10 |" in lines
    assert "| kNN-LM |  | 12.21 |" in lines
    assert "| + memory | 12.00 (11.95 – 12.05) | 11.53 (124M), 10.92 (355M) |" in lines


def test_a_known_corpus_picks_its_column() -> None:
    rows = measured("Qwen/Qwen2.5-7B", 6.0, {"memory": 0.7})
    assert "biomedicine | the paper's, finance | the paper's, law" in page_of(rows)
    named = page_of(rows, "law-compared")
    assert "| base | 6 (5.95 – 6.05) | 5.94 |" in named
    assert "| LoRA |  | 3.81 |" in named
    assert "finance" not in named
    assert ELSEWHERE in page_of(rows, "chemistry")


def test_downstream_averages_need_all_nine_tasks() -> None:
    rows = measured("gpt2", 25.0, {"memory": 0.5})
    accuracies = [row("memory", "gpt2", task, "accuracy_dcpmi", 0.6) for task in DOWNSTREAM_TASKS]
    average = [row("memory", "gpt2", "average", "accuracy_dcpmi", 0.6789)]
    assert "| + memory | 67.89 | 69.79 |" in page_of(rows + accuracies + average)
    assert "69.79" not in page_of(rows + accuracies[1:] + average)
