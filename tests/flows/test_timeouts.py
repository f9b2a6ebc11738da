"""A stage that takes longer than it may is ended; what it has finished is kept."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from storage.store.artifact_store import Store
from storage.store.verification import verify
from tasks.jobs.run_settings import RunSettings, StageTimedOut, StageTimeout
from tasks.running.supervised_process import supervise
from tests.services.command_line import memdec, memdec_json
from tests.services.sharded_flow import build_shards
from tests.services.sharded_work import TOKENS, sharded_job

SHARDS = ["quick-0", "slow", "quick-1", "never"]


def nothing(*_ignored: object) -> None:
    pass


@pytest.mark.usefixtures("prefect_server")
def test_the_finished_shards_of_a_stage_that_is_out_of_time_stay(
    store: Store, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    settings = RunSettings(store=store.url, workers=2)
    limited = settings.model_copy(
        update={"timeouts": (StageTimeout(stage="tokens", minutes=0.15),)}
    )
    supervise(nothing, (), nothing, None)  # the fork server is up: it is not what is slow
    started = time.monotonic()
    with pytest.raises(StageTimedOut, match=r"tokens/abab\w+: not done after 0\.15 minutes"):
        build_shards(sharded_job(dict.fromkeys(SHARDS, 0.0) | {"slow": 60.0}, log), limited)
    assert time.monotonic() - started < 40
    assert store.manifest(TOKENS) is None
    finished = set(store.committed(TOKENS))
    assert finished >= {"quick-0", "quick-1"}
    assert "slow" not in finished
    assert log.read_text().split().count("slow") == 1, "a stage that is out of time was retried"

    build_shards(sharded_job(dict.fromkeys(SHARDS, 0.0), log), limited)
    assert sorted(store.committed(TOKENS)) == sorted(SHARDS)
    built = log.read_text().split()
    assert {name: built.count(name) for name in SHARDS} == {
        name: 2 if name == "slow" else 1 for name in SHARDS
    }

    sealed = store.require(TOKENS)
    short = settings.model_copy(update={"timeouts": (StageTimeout(stage="tokens", minutes=0.05),)})
    with pytest.raises(StageTimedOut):
        build_shards(sharded_job({"quick-0": 0.0, "slow": 60.0}, log), short, again=True)
    assert store.require(TOKENS) == sealed, "what is built again stays until that is done"
    assert verify(store).damaged == []
    build_shards(sharded_job({"quick-0": 0.0, "slow": 0.0}, log), settings, again=True)
    assert list(store.committed(TOKENS)) == ["quick-0", "slow"]
    attempts = {entry.attempt for entry in sealed.shards}
    assert not attempts & {entry.attempt for entry in store.require(TOKENS).shards}


@pytest.mark.slow
def test_the_command_says_which_stage_was_too_slow_and_goes_on_without_the_limit(
    tiny_pipeline: Path, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    store = tmp_path / "store"
    arguments = ("run", tiny_pipeline, "--store", store, "--until", "base_model")
    done = memdec(*arguments, "--timeout", "base_model=0.005", env=prefect_environment)
    assert done.returncode == 1
    assert "failed base_model/" in done.stderr
    assert "not done after 0.005 minutes" in done.stderr
    assert "`--timeout base_model=MINUTES`" in done.stderr
    assert "Traceback" not in done.stderr
    assert verify(Store.open(str(store))).damaged == []
    ended = memdec_json(*arguments, env=prefect_environment)
    assert [stage["stage"] for stage in ended["stages"] if not stage["reused"]] == ["base_model"]
