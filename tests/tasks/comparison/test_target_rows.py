"""Rows of targets from small artifacts: reliability, fidelity of the evaluation, the memory's β."""

from pathlib import Path

import numpy as np
import pytest

from storage.formats.row_tables import RESULTS
from storage.formats.target_parquet import GROUP_ROWS, TargetBlock, write_targets
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.comparison.compared_measures import fidelity_of, reliability_of, target_rows
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tests.support.artifacts import as_shard, publish
from tests.support.comparison_rows import row
from tests.support.jobs import make_job

POSITIONS = GROUP_ROWS + 10
FIDELITY = row("memory_alone", None, "valid", "kl", 1.5, (1.0, 2.0))
PERPLEXITY = row("memory_alone", None, "valid", "perplexity", 30.0)


def publish_targets(store: Store) -> ArtifactRef:
    """Two tokens a position, 0.75 and 0.25: the first one follows at every second position."""

    def fill(folder: Path) -> None:
        block = TargetBlock(
            np.arange(POSITIONS + 1) * 2,
            np.tile([3, 5], POSITIONS),
            np.tile(np.array([0.75, 0.25], np.float16), POSITIONS),
            np.where(np.arange(POSITIONS) % 2, 3, 7),
            np.zeros(POSITIONS, np.float32),
        )
        write_targets(as_shard(folder), [block], token_limit=100)

    shards = {"train-00000": (lambda _folder: None, {}), "valid-00000": (fill, {})}
    return publish(store, "targets", {"valid-00000": shards["valid-00000"]})


def run_of(store: Store, inputs: dict[str, ArtifactRef]) -> ShardRun:
    ref = ArtifactRef(stage="comparison", fingerprint="c" * 32)
    writer = store.writer(ref, "all", "a" * 32)
    job = make_job(ref, {}, inputs)
    return ShardRun(job, "all", RunSettings(), store, writer, lambda _fraction, _note: None)


def publish_memory_scores(store: Store) -> ArtifactRef:
    memory = publish(store, "memory", {}, {"training": {"beta": 0.25}})
    return publish(store, "scores", {}, inputs={"model": memory})


def test_reliability_is_that_of_all_validation_targets(store: Store) -> None:
    run = run_of(store, {"targets": publish_targets(store)})
    reliability = reliability_of(run)
    assert reliability is not None
    assert reliability.points() == [(0.25, 0.0, POSITIONS), (0.75, 0.5, POSITIONS)]
    values = {each.metric: each.value for each in target_rows(run, reliability)}
    assert values == pytest.approx({"kept_mass": 1, "coverage": 0.5, "calibration_error": 0.5})


def test_of_the_evaluation_only_fidelity_is_taken(store: Store) -> None:
    shards = {"all": (lambda folder: RESULTS.write(as_shard(folder), [PERPLEXITY, FIDELITY]), {})}
    run = run_of(store, {"evaluation": publish(store, "evaluation", shards)})
    assert fidelity_of(run) == [FIDELITY]


def test_the_memorys_own_beta_comes_from_its_manifest(store: Store) -> None:
    (found,) = target_rows(run_of(store, {"memory": publish_memory_scores(store)}), None)
    assert (found.system, found.metric, found.value) == ("memory", "beta", 0.25)


def test_without_these_inputs_there_is_nothing(store: Store) -> None:
    run = run_of(store, {})
    assert (fidelity_of(run), reliability_of(run), target_rows(run, None)) == ([], None, [])
