"""Where things are in a store; no other module builds a key."""

from storage.objects.artifact_ref import ArtifactRef

ARTIFACTS = "artifacts"
REFS = "refs"
PINS = "pins"
PRODUCTION = "production"
WATCH = "watch"
COLLECTED = "collected"
CLOCK = "clock"
TRASH = "trash"


def artifact_key(ref: ArtifactRef) -> str:
    """Everything of one artifact."""
    return f"{ARTIFACTS}/{ref.stage}/{ref.fingerprint}"


def manifest_key(ref: ArtifactRef) -> str:
    """The record whose presence makes the artifact exist."""
    return f"{artifact_key(ref)}/manifest.json"


def commits_key(ref: ArtifactRef) -> str:
    """Records of finished shards, `<shard>.json` each."""
    return f"{artifact_key(ref)}/commits"


def shard_key(ref: ArtifactRef, attempt: str, shard: str) -> str:
    """Files of one shard as one attempt wrote them."""
    return f"{artifact_key(ref)}/{attempt}/{shard}"


def reserved_key(folder: str) -> str:
    """Says that a folder of an object store is taken."""
    return f"{folder}.reserved"


def lease_key(ref: ArtifactRef) -> str:
    """Leases of builders, `<epoch>.json` each."""
    return f"{artifact_key(ref)}/lease"


def scratch_key(ref: ArtifactRef) -> str:
    """Resumable state of an unfinished shard."""
    return f"{artifact_key(ref)}/scratch"


def looks_key(pipeline: str) -> str:
    """What every look at a pipeline's corpus saw, `<sequence>.json` each."""
    return f"{WATCH}/{pipeline}/looks"


def seen_documents_key(pipeline: str) -> str:
    """Tables of the documents that looks saw, `<id>.parquet` each."""
    return f"{WATCH}/{pipeline}/documents"
