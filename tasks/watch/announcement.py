"""When a changed corpus is announced: until a run was built from it, and not too often."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from tasks.inputs.finished_run import BuiltCorpus

ANNOUNCE_AGAIN_AFTER = timedelta(hours=24)


def is_due(
    same_documents: Collection[str],
    built: BuiltCorpus | None,
    announced: str | None,
    now: datetime | None = None,
) -> bool:
    """Whether to announce a corpus now.

    The announcement follows the state, not the moment of the change: what was announced and never
    built, since the build failed or nobody listened, is announced again a day later.

    Args:
        same_documents: Fingerprints of all corpora known to have these documents.
        built: What the newest run was built from; None without a run.
        announced: When these documents were announced, ISO; None if they were not.
        now: The present by default.
    """
    if built is not None and built.corpus.fingerprint in same_documents:
        return False
    if announced is None:
        return True
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(announced)
    return age > ANNOUNCE_AGAIN_AFTER
