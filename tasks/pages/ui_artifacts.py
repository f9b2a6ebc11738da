"""Shows an artifact on the run's page in the Prefect UI: figures, files, plots."""

import re

from prefect.artifacts import create_markdown_artifact

from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_words import page_title
from tasks.pages.page_pictures import with_pictures
from tasks.pages.report_tables import made
from tasks.pages.stage_page import how_done, stage_page, writes_page


def publish_manifest(store: Store, job: StageJob, manifest: Manifest, *, reused: bool) -> None:
    """Publishes one Markdown artifact for a stage, under a key that is stable over runs.

    Args:
        store: Where the artifact lies.
        job: Its pipeline and name make the key of the history.
        manifest: The sealed artifact's manifest.
        reused: Whether this run found it there.
    """
    done = how_done(manifest, reused=reused)
    publish_page(
        artifact_key(job.pipeline, job.name),
        _page(store, job, manifest, done),
        _description(job, manifest, reused=reused),
    )


def publish_page(key: str, markdown: str, description: str) -> None:
    """Publishes a page under a key that is stable over runs, by which the UI keeps its history."""
    create_markdown_artifact(key=key, markdown=markdown, description=description)


def artifact_key(pipeline: str, name: str) -> str:
    """The key under which the UI keeps the history of what a pipeline calls by a name."""
    return re.sub(r"[^a-z0-9]+", "-", f"{pipeline}-{name}".lower())


def _description(job: StageJob, manifest: Manifest, *, reused: bool) -> str:
    """One line for lists of artifacts, which show its beginning under the key."""
    what = made(manifest) or page_title(job.ref.stage, job.name, job.pipeline)
    return f"{'Reused' if reused else 'Built'}: {what} ({manifest.ref})"


def _page(store: Store, job: StageJob, manifest: Manifest, done: str) -> str:
    readers = store.readers(manifest.ref)
    if writes_page(manifest.ref.stage):
        page = f"{readers['all'].read('report.md').decode()}\n\n{done}"
    else:
        title = page_title(job.ref.stage, job.name, job.pipeline)
        page = stage_page(store, manifest, title, done)
    return with_pictures(page, readers.values())
