"""The page of what changed in a corpus, for the Prefect UI: facts for `changes_page.md.jinja`."""

import base64

from prefect.artifacts import create_markdown_artifact

from storage.looks.document_changes import KINDS
from tasks.pages.markdown_page import fill_template
from tasks.watch.compare_documents import EXAMPLES, ChangeReport, Earlier
from tasks.watch.read_watched import ReadSources
from tasks.watch.watch_job import SAMPLE_TOKENS

_MOST_CHARACTERS = 120
"""Of an id or a reason on the page."""

_SAID = (*KINDS, "unchanged")
_SINCE: dict[Earlier, str] = {
    "the last look": "Since the last look",
    "the newest run": "Since the newest run",
    "nothing": "The pipeline has never run",
}
_LARGEST_PICTURE_BYTES = 120_000
_MOST_REJECTING = 10
"""Sources whose rejects are named."""


def publish_changes(pipeline: str, report: ChangeReport, seen: ReadSources, outcome: str) -> None:
    """Publishes the page under the pipeline's key, which keeps its history.

    Args:
        pipeline: Name of the pipeline.
        report: What changed.
        seen: What was read to find out.
        outcome: What happens next, as sentences.
    """
    create_markdown_artifact(
        key=f"{pipeline}-corpus-changes",
        markdown=changes_page(pipeline, report, seen, outcome),
        description=f"What changed in the documents of {pipeline}",
    )


def changes_page(pipeline: str, report: ChangeReport, seen: ReadSources, outcome: str) -> str:
    """The page as Markdown, less than 200 KB."""
    drift = report.drift
    fits = drift is not None and len(drift.picture) <= _LARGEST_PICTURE_BYTES
    return fill_template(
        "tasks.watch",
        "changes_page.md.jinja",
        pipeline=pipeline,
        sentence=changes_sentence(report),
        seen=seen,
        outcome=outcome,
        report=report,
        rejecting=[source for source in seen.sources if source.rejected],
        drift=drift,
        picture=base64.b64encode(drift.picture).decode() if drift and fits else "",
        code=_code,
        EXAMPLES=EXAMPLES,
        MOST_REJECTING=_MOST_REJECTING,
        SAMPLE_TOKENS=SAMPLE_TOKENS,
    )


def changes_sentence(report: ChangeReport) -> str:
    """One sentence: how many documents changed, how, and since when."""
    added, *others = (f"{report.counts[kind].documents:,} {kind}" for kind in _SAID)
    said = ", ".join([added.replace(" ", " documents "), *others])
    tokens = "" if report.drift is None else f" ({report.drift.tokens:,} tokens of new text)"
    return f"{_SINCE[report.earlier]}: {said}{tokens}."


def _code(text: str) -> str:
    """Anybody's text as code of one line, which Markdown leaves alone."""
    shown = " ".join(text.replace("`", "'").split())
    return f"`{shown[: _MOST_CHARACTERS - 1]}…`" if len(shown) > _MOST_CHARACTERS else f"`{shown}`"
