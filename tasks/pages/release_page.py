"""The page of a pipeline's releases in the UI: what is in production, and why."""

from collections.abc import Iterator, Sequence

from storage.store.production import Decision, in_production
from tasks.pages.markdown_page import markdown_row
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
    newest, current = decisions[-1], in_production(decisions)
    lines = [
        f"# Releases of {pipeline}",
        "",
        f"The newest decision: `{newest.release.memory}` was {_SAID[newest.action]}: {newest.why}.",
        "",
        "Nothing is in production yet."
        if current is None
        else f"In production: `{current.release.memory}`, since {current.when[:16]} UTC.",
        "",
        *_table(decisions),
        "",
        f"- `memdec history {pipeline}.yaml`: all of this, with the gates' pages",
        f"- `memdec rollback {pipeline}.yaml`: the release before this one again",
        f'- `memdec promote {pipeline}.yaml --why "…"`: the newest finished build, gate or not',
    ]
    return "\n".join(lines) + "\n"


def _table(decisions: Sequence[Decision]) -> Iterator[str]:
    yield "| number | when (UTC) | memory | decision | why | who |"
    yield "|--:|---|---|---|---|---|"
    for number, each in reversed(list(enumerate(decisions, 1))[-SHOWN:]):
        why = each.why.replace("|", "\\|").replace("\n", " ")
        when = each.when[:16].replace("T", " ")
        yield markdown_row(
            number, when, f"`{each.release.memory}`", _SAID[each.action], why, each.who
        )
