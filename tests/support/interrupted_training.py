"""Trainings that die and go on, compared with one that does not; token shards to train on."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue

from storage.formats.array_files import CheckpointFiles
from storage.formats.token_shards import write_token_shard
from tasks.jobs.stage_work import ShardRun
from tests.support.artifacts import as_shard, contents

Train = Callable[[ShardRun], dict[str, JsonValue]]
MakeRun = Callable[[str, str], ShardRun]


class Killed(Exception):
    """The process died here."""


def fill_tokens(tokens: np.ndarray, lengths: list[int]) -> Callable[[Path], None]:
    """Writes a token shard of documents of these lengths."""

    def fill(folder: Path) -> None:
        doc_ids = [f"doc-{n}" for n in range(len(lengths))]
        write_token_shard(as_shard(folder), doc_ids, tokens, np.array(lengths))

    return fill


def check_resumed_equals_whole(
    train: Train, make_run: MakeRun, deaths: Sequence[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trains once without and once with interruptions; both leave the same figures and bytes.

    Args:
        train: The shard's work.
        make_run: By attempt and artifact: a run of the same training.
        deaths: Steps at whose report the interrupted one dies, one after the other.
        monkeypatch: Makes the clock run fast, so that every step is saved.
    """
    whole = make_run("whole", "a")
    meta = train(whole)
    seconds = iter(range(0, 10**9, 40))  # every look at the clock is 40 s later: save every step
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    for number, death in enumerate(deaths):
        with pytest.raises(Killed):
            train(_dying(make_run(f"killed-{number}", "b"), death))
    resumed = make_run("resumed", "b")
    saved = CheckpointFiles(resumed.store.scratch(resumed.job.ref)).latest()
    assert (saved is None) == (max(deaths) == 1), "the first step is reported before it is saved"
    assert train(resumed) == meta
    assert contents(resumed.writer.folder) == contents(whole.writer.folder)


def _dying(run: ShardRun, step: int) -> ShardRun:
    """The same run, killed at the report of a step."""

    def report(_fraction: float, note: str) -> None:
        if note.startswith(f"step {step}/"):
            raise Killed

    return ShardRun(run.job, run.shard, run.settings, run.store, run.writer, report)
