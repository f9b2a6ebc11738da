"""Builders that race and builders that are killed: built once, published once, always whole."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from storage.store.artifact_store import Store
from storage.store.verification import verify
from tests.services.build_slowly import REF, SHARDS, shard_text

ROOT = Path(__file__).parents[3]


def start_builder(store: Store, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.services.build_slowly", store.url, str(log)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


def assert_whole(store: Store) -> None:
    assert verify(store) == (1 + 3 * len(SHARDS), [], [])
    readers = store.readers(REF)
    assert sorted(readers) == SHARDS
    for shard, reader in readers.items():
        assert reader.names() == [f"part-{part}.txt" for part in range(3)]
        for part in range(3):
            assert reader.read(f"part-{part}.txt").decode() == shard_text(shard, part)


def test_four_racing_processes_build_once_and_publish_once(
    shared_store: Store, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    builders = [start_builder(shared_store, log) for _ in range(4)]
    assert [builder.communicate()[0] for builder in builders] == [b"ready\n"] * 4
    assert [builder.returncode for builder in builders] == [0] * 4
    built = Counter(log.read_text().splitlines())
    assert built == Counter([f"built {shard}" for shard in SHARDS] + ["sealed"])
    assert_whole(shared_store)


def test_builders_killed_at_any_instant_leave_only_whole_artifacts(
    shared_store: Store, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.touch()
    seed = time.time_ns() % 2**32
    instants = random.Random(seed)
    for kill in range(30):
        with start_builder(shared_store, log) as builder:
            assert builder.stdout is not None
            assert builder.stdout.readline() == b"ready\n"
            if kill < 8:
                time.sleep(instants.uniform(0, 0.12))
                builder.kill()
            elif not builder.wait():
                break
        if shared_store.manifest(REF):
            assert_whole(shared_store)
    assert_whole(shared_store)
    built = Counter(log.read_text().splitlines())
    assert max(built.values()) == 1, f"finished shards were built again (seed {seed}): {built}"
