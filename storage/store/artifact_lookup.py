"""Finds an artifact by the short names that people type."""

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_store import Store


def find_artifact(store: Store, text: str) -> ArtifactRef:
    """The one artifact that `stage/prefix`, `prefix` or `stage` names.

    Args:
        store: Where to look.
        text: Stage, slash, the beginning of a fingerprint; one of both is enough.

    Raises:
        MissingArtifact: None fits, or several do; the message lists them.
    """
    stage, slash, prefix = text.rpartition("/")
    found = [
        ref
        for ref in store.artifacts()
        if (ref.stage == text and not slash)
        or (stage in ("", ref.stage) and ref.fingerprint.startswith(prefix))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise MissingArtifact(f"{store.url}: no artifact {text}; `memdec artifacts ls` lists them")
    names = ", ".join(str(ref) for ref in found[:8])
    raise MissingArtifact(f"{text} may be any of {len(found)} artifacts ({names}); give more of it")
