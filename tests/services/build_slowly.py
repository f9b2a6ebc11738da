"""A builder in a process of its own, to be raced and killed: python build_slowly.py URL LOG.

Builds one artifact of `SHARDS` shards the way the pipeline does, slowly, and logs a line for each
shard it built and each manifest it created.
"""

import sys
import time
from pathlib import Path

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ManifestDraft
from storage.store.artifact_store import Store
from storage.store.claims import claim

REF = ArtifactRef(stage="tokens", fingerprint="ab" * 16)
SHARDS = [f"train-{number:05d}" for number in range(6)]


def shard_text(shard: str, part: int) -> str:
    """What a file of a shard must hold."""
    return f"{shard} {part} " * 2000


def build(store: Store, log: Path) -> None:
    """Builds the artifact unless another process has."""
    with claim(store, REF) as attempt:
        if attempt is None:
            return
        for shard in [name for name in SHARDS if name not in store.committed(REF)]:
            writer = store.writer(REF, shard, attempt)
            for part in range(3):
                (writer.folder / f"part-{part}.txt").write_text(shard_text(shard, part))
                time.sleep(0.005)
            writer.commit({"parts": 3}, 0.1, 1)
            write_line(log, f"built {shard}")
        store.seal(REF, draft(store))
        write_line(log, "sealed")


def draft(store: Store) -> ManifestDraft:
    """The manifest's content from what is committed."""
    return ManifestDraft(
        format_version=1,
        config={},
        inputs={},
        shards=list(store.committed(REF).values()),
        figures={},
        software={},
    )


def write_line(log: Path, line: str) -> None:
    """Appends a line at once; short appends of several processes do not mix."""
    with log.open("a") as file:
        file.write(f"{line}\n")


if __name__ == "__main__":
    opened = Store.open(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    build(opened, Path(sys.argv[2]))
