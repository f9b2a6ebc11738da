"""What a look at a corpus ends with: figures for programs, a sentence for people."""

from typing import TypedDict

from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import JsonValue

from storage.looks.corpus_looks import CorpusLook, SeenSource
from storage.looks.document_changes import KINDS
from tasks.watch.compare_documents import ChangeReport

SERVER_ANNOUNCED = (
    "`memdec.corpus.updated` is announced: the automation that listens to it starts the flow "
    "build-memory. Until a run was built from these documents they are announced once a day."
)
NOBODY_LISTENS = (
    "Nothing was announced, since no Prefect server is configured (PREFECT_API_URL); "
    "`memdec run` builds what is not built yet."
)
HELD = (
    "More of them are gone than `watch.max_removed` allows, so nothing was announced. If that is "
    "right, confirm it: `memdec watch PIPELINE.yaml --confirm`, `confirm` in the form of the "
    "deployment watch-corpus, or the event `memdec.corpus.confirmed` of `memdec.pipeline.NAME`. If "
    "they come back, nothing has happened."
)
IS_BUILT = "The newest run was built from these documents: nothing is to be done."


class WatchResult(TypedDict):
    """What `memdec watch --json` prints."""

    pipeline: str
    changed: bool
    announced: bool
    held: bool
    documents: dict[str, int]
    tokens_added: int | None
    drift: dict[str, JsonValue]


def unchanged(pipeline: str, look: CorpusLook | None, message: str) -> State[WatchResult]:
    """The end of a look that found nothing new; `look` is what is known of the documents."""
    documents = dict.fromkeys([*KINDS, "unchanged", "rejected"], 0)
    if look is not None:
        documents |= {"unchanged": look.kept, "rejected": rejected(look.sources)}
    result = WatchResult(
        pipeline=pipeline,
        changed=False,
        announced=False,
        held=False,
        documents=documents,
        tokens_added=0,
        drift={},
    )
    return Completed(name="Unchanged", message=message, data=result)


def changed(
    pipeline: str,
    report: ChangeReport,
    sources: tuple[SeenSource, ...],
    message: str,
    *,
    told: bool = False,
    held: bool = False,
) -> State[WatchResult]:
    """The end of a look that found a change.

    Args:
        pipeline: Name of the pipeline.
        report: What changed.
        sources: As the look saw them.
        message: That in words, and what happens next.
        told: Whether a server was told.
        held: Whether somebody has to confirm it first.
    """
    documents = {kind: count.documents for kind, count in report.counts.items()}
    result = WatchResult(
        pipeline=pipeline,
        changed=True,
        announced=told,
        held=held,
        documents=documents | {"rejected": rejected(sources)},
        tokens_added=tokens_added(report),
        drift=drift(report),
    )
    return Completed(name="Held" if held else None, message=message, data=result)


def payload(
    report: ChangeReport, sources: tuple[SeenSource, ...], fingerprint: str
) -> dict[str, JsonValue]:
    """What the event says; `fingerprint` is of the corpus that a run would make."""
    return {
        "fingerprint": fingerprint,
        "compared_with": report.earlier,
        "documents": {kind: count.documents for kind, count in report.counts.items()},
        "characters": {kind: count.characters for kind, count in report.counts.items()},
        "rejected": rejected(sources),
        "tokens_added": tokens_added(report),
        "drift": drift(report),
    }


def tokens_added(report: ChangeReport) -> int | None:
    """Tokens of the new text; None where there is no tokenizer to count them."""
    if report.drift is not None:
        return report.drift.tokens
    return 0 if report.has_no_new_text else None


def drift(report: ChangeReport) -> dict[str, JsonValue]:
    """Its figures; none where it could not be measured."""
    return {} if report.drift is None else report.drift.figures


def rejected(sources: tuple[SeenSource, ...]) -> int:
    """Records that are no documents."""
    return sum(source.rejected for source in sources)
