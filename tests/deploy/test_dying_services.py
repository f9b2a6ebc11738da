"""Whatever dies while a stage is built, the run or the next one ends as if nothing had happened.

`MEMDEC_KILL_EVERY_STAGE=1` kills each in every stage, and cancels, which takes three quarters of an
hour for both databases.
"""

import logging
import os
import time
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

from flows.build_memory import build_memory
from flows.config.pipeline_config import PipelineConfig
from storage.store.artifact_store import Store
from storage.store.verification import verify
from tests.services.command_line import memdec_json
from tests.services.running_services import Database, RunningServices, comes_true
from tests.support.sealed_artifacts import attempts, checksums
from tests.support.short_pipeline import build_parameters, short_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

EVERY = "MEMDEC_KILL_EVERY_STAGE"
Victim = Literal["worker", "flow", "server", "postgresql", "cancelled"]
STAGES = (
    "corpus", "base_model", "tokens", "embeddings", "index", "targets", "memory", "scores",
    "evaluation", "report", "promotion_gate",
)  # fmt: skip
QUICK: list[tuple[str, Victim]] = [("embeddings", "server"), ("memory", "worker")]


def kills(database: Database) -> list[list[tuple[str, Victim]]]:
    """Which service is killed in which stage, in several histories of a store."""
    if EVERY not in os.environ:
        return [QUICK]
    victims: list[Victim] = ["server", "worker", "flow", "cancelled"]
    if database == "postgresql":
        victims.append("postgresql")
    return [[(stage, victim) for stage in STAGES] for victim in victims]


_logger = logging.getLogger(__name__)


class History:
    """A store that is built by one run after another, as they are interrupted."""

    def __init__(self, services: RunningServices, config: PipelineConfig, store: Store) -> None:
        self.services = services
        self.store = store
        self.sealed: dict[Any, list[str]] = {}
        self.killed: list[Victim] = []
        self.fatal: set[Victim] = set()
        self._parameters = build_parameters(config, store)
        self.run = self._start()

    def kill(self, stage: str, victim: Victim) -> None:
        """Kills a service while a stage is built; a run that it takes along is followed by one."""
        self._reach(stage)
        middle = "in the middle of" if self._builds(stage) else "after"
        if self._end(victim):
            _logger.warning("%s was killed %s %s", victim, middle, stage)
        self.sealed |= attempts(self.store)
        assert verify(self.store).damaged == []
        self.killed.append(victim)

    def _end(self, victim: Victim) -> bool:
        if victim in ("cancelled", "flow", "worker") and self._has_ended():
            return False  # the last stage was quicker than we
        if victim == "cancelled":
            self.services.cancel(self.run)
        elif victim == "flow":
            self.services.flow_process(self.run).kill()
        else:
            process = self.services.process(victim)
            process.kill()
            process.wait(30)
            self.services.wait_until_ready()
            if victim != "worker":
                return True
        state = self.services.wait_until_ended(self.run).state
        assert state is not None
        assert state.is_cancelled() if victim == "cancelled" else state.is_crashed()
        return True

    def finish(self) -> None:
        """Goes on until a run completes: the one that is at work, or the next."""
        state = self.services.wait_until_ended(self.run).state
        assert state is not None
        if not state.is_completed():
            self._follow()
            state = self.services.wait_until_ended(self.run).state
            assert state is not None
        assert state.is_completed(), state.message

    def _reach(self, stage: str) -> None:
        """Waits for a stage; a run that ends before it, for what was killed, is followed by one."""

        def reached() -> bool:
            return self._builds(stage) or self._has_sealed(stage)

        deadline = time.monotonic() + 300
        while not comes_true(reached, 3, pause=0.05):
            assert time.monotonic() < deadline, self.services.log("worker")[-3000:]
            if self._has_ended():
                self._follow()

    def _follow(self) -> None:
        state = self.services.run(self.run).state
        assert state is not None
        assert self.killed, f"nothing was killed: {state.message}"
        _logger.warning("the run ended: %s %s", state.name, state.message)
        self.fatal.add(self.killed[-1])
        self.run = self._start()

    def _has_sealed(self, stage: str) -> bool:
        return any(ref.stage == stage for ref in self.store.artifacts())

    def _builds(self, stage: str) -> bool:
        building = [ref for ref in self.store.known() if ref.stage == stage]
        return any(self.store.manifest(ref) is None for ref in building)

    def _start(self) -> UUID:
        return self.services.start_run(build_memory, self._parameters)

    def _has_ended(self) -> bool:
        state = self.services.run(self.run).state
        return state is not None and state.is_final()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PipelineConfig:
    return short_pipeline(tmp_path_factory.mktemp("short") / "pipeline", epochs=4)


@pytest.fixture(scope="module")
def uninterrupted(
    services: RunningServices, config: PipelineConfig, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text(config.model_dump_json(exclude_unset=True))  # which is YAML too
    store = Store.open(str(folder / "store"))
    settings = ("--store", store.url, "--workers", "2", "--threads", "1")
    memdec_json("run", pipeline, *settings, env=os.environ | {"PREFECT_API_URL": services.api})
    return checksums(store)


@pytest.mark.parametrize(
    "services", [pytest.param("postgresql", marks=pytest.mark.long), "sqlite"], indirect=True
)
def test_nothing_sealed_is_lost_or_built_again_whatever_dies(
    services: RunningServices,
    config: PipelineConfig,
    uninterrupted: dict[str, str],
    tmp_path: Path,
) -> None:
    for number, history in enumerate(kills(services.database)):
        store = Store.open(str(tmp_path / str(number)))
        interrupted = History(services, config, store)
        for stage, victim in history:
            interrupted.kill(stage, victim)
        interrupted.finish()
        assert verify(store).damaged == []
        assert checksums(store) == uninterrupted
        assert {ref: attempts(store)[ref] for ref in interrupted.sealed} == interrupted.sealed
        assert "server" not in interrupted.fatal, "a run must outlive Prefect's server"
