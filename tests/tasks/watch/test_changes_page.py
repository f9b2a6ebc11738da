"""The page of changed documents: small, complete, and safe from what documents are called."""

import pytest

from storage.looks.corpus_looks import SeenSource
from storage.looks.document_changes import ChangeKind, DocumentCount
from tasks.watch.changes_page import changes_page
from tasks.watch.compare_documents import EXAMPLES, ChangeReport
from tasks.watch.read_watched import ReadSources
from tasks.watch.watch_job import Drift

EXAMPLE_IDS: dict[ChangeKind, list[str]] = {
    "added": ["a|b", "`code`", "two\nlines"],
    "edited": [f"{n}" * 500 for n in range(EXAMPLES)],
    "removed": [],
    "renamed": ["old → new"],
}
DRIFT = Drift(
    1234,
    {
        "unigram_kl": 0.51,
        "unigram_kl_test": 0.12,
        "base_perplexity_new": 812.3,
        "base_perplexity_test": 701.9,
        "sampled_tokens": 1200,
    },
    b"\x89PNG" + bytes(100_000),
)


def report_of(drift: Drift | None, why: str = "") -> ChangeReport:
    sizes = {"added": 3, "edited": 5000, "removed": 0, "renamed": 1, "unchanged": 7}
    counts = {kind: DocumentCount(number, 10 * number) for kind, number in sizes.items()}
    return ChangeReport("the last look", counts, EXAMPLE_IDS, drift, why)


def seen_with(rejected: int) -> ReadSources:
    source = SeenSource(
        role="train", name="a", stamp="s", digest="d", rejected=rejected,
        first_reject="a record 2: malformed JSON: <b>" if rejected else None,
    )  # fmt: skip
    return ReadSources((source,) * 50, ("a",), ("a",))


def test_the_page_says_what_changed_and_what_happens_next() -> None:
    page = changes_page("law", report_of(DRIFT), seen_with(0), "The build is started.")
    for part in (
        "# Changed documents of law",
        "Since the last look: 3 documents added, 5,000 edited, 0 removed, 1 renamed, 7 unchanged",
        "(1,234 tokens of new text). Sources read to find out: 1 of 50.",
        "The build is started.",
        "| edited | 5,000 | 50,000 |",
        "| unigram KL of the new text against the training text, nats | 0.51 |",
        "| perplexity of the base on the new text | 812.3 |",
        "a sample of 1,200 tokens",
        "](data:image/png;base64,",
        f"## Edited: 5,000, the first {EXAMPLES}",
        "- `old → new`",
        "- `'code'`",
        "- `two lines`",
    ):
        assert part in page, part
    assert "## Removed" not in page
    assert "left out" not in page


@pytest.mark.parametrize("size", [100_000, 10**6])
def test_the_page_stays_small(size: int) -> None:
    drift = Drift(DRIFT.tokens, DRIFT.figures, bytes(size))
    page = changes_page("law", report_of(drift), seen_with(9), "")
    assert len(page.encode()) < 200_000
    assert ("data:image" in page) == (size < 120_000)


def test_why_nothing_was_measured_and_what_was_rejected_is_said() -> None:
    page = changes_page("law", report_of(None, "It has never run."), seen_with(9), "")
    assert "It has never run." in page
    assert "Records left out since they are no documents: 450;" in page
    assert page.count("- 9: `a record 2: malformed JSON: <b>`") == 10
