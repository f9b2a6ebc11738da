"""The page of a pipeline's releases in the UI: what is in production, and why."""

from collections.abc import Sequence

from storage.store.production import Decision, in_production
from tasks.pages.markdown_page import fill_template, in_cell
from tasks.pages.ui_artifacts import publish_page

SHOWN = 30
"""Newest decisions on the page."""

_SAID = {
    "promoted": "promoted",
    "kept_back": "**kept back**, it stays a candidate",
    "rolled_back": "brought back",
}


def publish_release(pipeline: str, decisions: Sequence[Decision]) -> None:
    """Publishes the page under the pipeline's own key, so that the UI shows its history."""
    said = f"{pipeline}: {decisions[-1].release.memory} {decisions[-1].action}"
    publish_page(f"{pipeline}-release", release_page(pipeline, decisions), said)


def release_page(pipeline: str, decisions: Sequence[Decision]) -> str:
    """The page as Markdown; there is at least one decision."""
    return fill_template(
        "tasks.pages",
        "release_page.md.jinja",
        pipeline=pipeline,
        decisions=decisions,
        current=in_production(decisions),
        numbered=reversed(list(enumerate(decisions, 1))[-SHOWN:]),
        in_cell=in_cell,
        SAID=_SAID,
    )
