"""The page of what changed in a corpus, for the Prefect UI."""

import base64

from prefect.artifacts import create_markdown_artifact
from pydantic import JsonValue

from storage.looks.corpus_looks import SeenSource
from storage.looks.document_changes import KINDS
from tasks.watch.compare_documents import EXAMPLES, ChangeReport, Earlier
from tasks.watch.drift_figures import SAMPLE_TOKENS, Drift
from tasks.watch.read_watched import ReadSources

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
    lines = [
        f"# Changed documents of {pipeline}",
        f"{changes_sentence(report)} {_reading(seen)}.",
        "",
        "## What happens next",
        "",
        outcome,
        "",
        "## Documents",
        "",
        "| | documents | characters |",
        "| --- | ---: | ---: |",
        *[
            f"| {kind} | {count.documents:,} | {count.characters:,} |"
            for kind, count in report.counts.items()
        ],
        "",
        *_rejects(seen.sources),
        *_drift_lines(report),
        *_examples(report),
    ]
    return "\n".join(lines)


def changes_sentence(report: ChangeReport) -> str:
    """One sentence: how many documents changed, how, and since when."""
    added, *others = (f"{report.counts[kind].documents:,} {kind}" for kind in _SAID)
    said = ", ".join([added.replace(" ", " documents "), *others])
    tokens = "" if report.drift is None else f" ({report.drift.tokens:,} tokens of new text)"
    return f"{_SINCE[report.earlier]}: {said}{tokens}."


def _reading(seen: ReadSources) -> str:
    return f"Sources read to find out: {len(seen.read):,} of {len(seen.sources):,}"


def _rejects(sources: tuple[SeenSource, ...]) -> list[str]:
    """How many records are no documents, and the first of each source."""
    rejecting = [source for source in sources if source.rejected]
    if not rejecting:
        return []
    total = sum(source.rejected for source in rejecting)
    return [
        f"Records left out since they are no documents: {total:,}; the first of each source:",
        "",
        *[
            f"- {source.rejected:,}: {_code(source.first_reject or '')}"
            for source in rejecting[:_MOST_REJECTING]
        ],
        "",
    ]


def _drift_lines(report: ChangeReport) -> list[str]:
    lines = ["## The new text beside the training text", ""]
    if report.drift is None:
        return [*lines, report.no_drift, ""]
    figures = report.drift.figures
    rows = [
        ("tokens of new text", report.drift.tokens),
        ("unigram KL of the new text against the training text, nats", figures["unigram_kl"]),
        ("the same of as much text of the test split", figures.get("unigram_kl_test")),
        ("perplexity of the base on the new text", figures.get("base_perplexity_new")),
        ("perplexity of the base on the test split", figures.get("base_perplexity_test")),
    ]
    sampled = figures.get("sampled_tokens")
    return [
        *lines,
        "| | |",
        "| --- | ---: |",
        *[f"| {name} | {_number(value)} |" for name, value in rows if value is not None],
        "",
        "KL(new ‖ training) of the tokens' relative frequencies, one added to every count of the "
        "training text. Short texts differ by chance: the test split's figure says how much is "
        "usual."
        + ("" if sampled is None else f" Perplexity: a sample of {sampled:,} tokens, scored as "
           f"the test split was (at most {SAMPLE_TOKENS:,})."),
        "",
        *_picture(report.drift),
    ]  # fmt: skip


def _picture(drift: Drift) -> list[str]:
    if len(drift.picture) > _LARGEST_PICTURE_BYTES:
        return []
    data = base64.b64encode(drift.picture).decode()
    return [
        "The tokens whose frequency changed the most (by Jensen-Shannon divergence):",
        "",
        f"![Tokens whose frequency changed the most](data:image/png;base64,{data})",
        "",
    ]


def _examples(report: ChangeReport) -> list[str]:
    lines: list[str] = []
    for kind in KINDS:
        ids, count = report.examples[kind], report.counts[kind].documents
        if not ids:
            continue
        more = f", the first {EXAMPLES}" if count > len(ids) else ""
        lines += [f"## {kind.capitalize()}: {count:,}{more}", ""]
        lines += [*(f"- {_code(doc_id)}" for doc_id in ids), ""]
    return lines


def _number(value: JsonValue) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _code(text: str) -> str:
    """Anybody's text as code of one line, which Markdown leaves alone."""
    shown = " ".join(text.replace("`", "'").split())
    return f"`{shown[: _MOST_CHARACTERS - 1]}…`" if len(shown) > _MOST_CHARACTERS else f"`{shown}`"
