"""The page of a whole run: its stages in order, with what each made and where to read on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_words import page_title
from tasks.pages.figure_words import seconds_of, size_of
from tasks.pages.markdown_page import fill_template, markdown_row
from tasks.pages.report_tables import made
from tasks.pages.ui_artifacts import artifact_key, publish_page

RUN = "run"
"""What the page is called among a pipeline's artifacts."""


class StageOutcome(NamedTuple):
    """What became of one job: reused or built, and the seconds that this run spent on it."""

    job: StageJob
    reused: bool
    seconds: float


@contextmanager
def shown_as_page(store: Store, title: str, key: str, done: list[StageOutcome]) -> Iterator[None]:
    """Publishes a run's page when its body ends, also when it fails.

    Args:
        store: Where the artifacts lie.
        title: The run as a sentence.
        key: Of the artifact, stable over runs: the UI keeps the history of pages under it.
        done: Filled by the body, in order.
    """
    try:
        yield
    except Exception as error:
        publish_run(store, title, key, done, f"{type(error).__name__}: {error}")
        raise
    publish_run(store, title, key, done)


def publish_run(
    store: Store, title: str, key: str, done: Sequence[StageOutcome], failure: str = ""
) -> None:
    """Publishes the page of a run."""
    reused = sum(outcome.reused for outcome in done)
    counted = f"{len(done)} stages: {reused} reused, {len(done) - reused} built"
    said = f"{'Failed after' if failure else 'Done:'} {counted}. {title}"
    publish_page(key, run_page(store, title, done, failure), said)


def run_page(store: Store, title: str, done: Sequence[StageOutcome], failure: str = "") -> str:
    """The Markdown page of a run.

    Args:
        store: Where the artifacts lie.
        title: The run as a sentence.
        done: The jobs that are done, in order.
        failure: Why it went no further, empty if it did not fail.
    """
    manifests = [store.manifest(outcome.job.ref) for outcome in done]
    lines = [
        _line(number, *each) for number, each in enumerate(zip(done, manifests, strict=True), 1)
    ]
    return fill_template(
        "tasks.pages",
        "run_page.md.jinja",
        title=title,
        failure=failure.replace("```", "'''"),
        stages=len(done),
        built=sum(not outcome.reused for outcome in done),
        took=seconds_of(sum(outcome.seconds for outcome in done)),
        size=size_of(sum(manifest.bytes for manifest in manifests if manifest is not None)),
        lines=lines,
    )


def _line(number: int, outcome: StageOutcome, manifest: Manifest | None) -> str:
    job = outcome.job
    title = page_title(job.ref.stage, job.name, job.pipeline).replace(f" of {job.pipeline}", "")
    return markdown_row(
        number,
        f"[{title}](../key/{artifact_key(job.pipeline, job.name)})",
        made(manifest).replace("|", "\\|") if manifest else "",
        "reused" if outcome.reused else "**built**",
        seconds_of(outcome.seconds),
        size_of(manifest.bytes) if manifest else "",
    )
