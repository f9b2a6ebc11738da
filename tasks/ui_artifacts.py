"""Shows an artifact on the run's page in the Prefect UI: figures, files, plots."""

import re

from prefect.artifacts import create_markdown_artifact

from storage.artifact_store import Store
from storage.manifest import Manifest
from tasks.stage_job import StageJob
from tasks.stage_page import REPORTS, pictures, stage_page


def publish_manifest(store: Store, job: StageJob, manifest: Manifest, *, reused: bool) -> None:
    """Publishes one Markdown artifact for a stage, under a key that is stable over runs.

    Args:
        store: Where the artifact lies.
        job: Its pipeline and name make the key of the history.
        manifest: The sealed artifact's manifest.
        reused: Whether this run found it there.
    """
    create_markdown_artifact(
        key=re.sub(r"[^a-z0-9]+", "-", f"{job.pipeline}-{job.name}".lower()),
        markdown=_page(store, manifest, reused=reused),
        description=f"{manifest.ref}: {'reused' if reused else 'built'}",
    )


def _page(store: Store, manifest: Manifest, *, reused: bool) -> str:
    if manifest.ref.stage not in REPORTS:
        return stage_page(store, manifest, reused=reused)
    reader = store.readers(manifest.ref)["all"]
    page = reader.read("report.md").decode()
    for name, picture in pictures(reader).items():
        page = page.replace(f"({name})", f"({picture})")
    return page
