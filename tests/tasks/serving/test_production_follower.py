"""A server follows what is in production while requests run."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from memdec_core.errors import UserError
from memdec_core.serving.engine_limits import EngineLimits
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.production import (
    Action,
    Decision,
    Release,
    read_decisions,
    record_decision,
    ways_back,
)
from tasks.serving import production_follower
from tasks.serving.engine_slot import EngineSlot, ServedSet
from tasks.serving.open_models import ServedPipeline
from tasks.serving.production_follower import ProductionFollower
from tests.services.running_server import models
from tests.services.running_services import comes_true

SEEDS = {"1": (1, 2, 3), "2": (1, 4, 5), "3": (1, 6, 7)}
"""Seeds of the models by the digit of a memory's fingerprint."""


def decide(store: Store, action: Action, digit: str) -> None:
    refs = {
        name: ArtifactRef(stage=stage, fingerprint=digit * 32)
        for name, stage in (("base", "base_model"), ("memory", "memory"))
    }
    evaluation = ArtifactRef(stage="evaluation", fingerprint=digit * 32)
    decision = Decision(
        action=action,
        release=Release(**refs, evaluation=evaluation),
        artifacts=[],
        who="me",
        why="a test",
    )
    assert record_decision(store, "law", decision, after=len(read_decisions(store, "law")))


def current(store: Store) -> list[ServedPipeline]:
    (number, decision), *_ = ways_back(read_decisions(store, "law"))
    return [ServedPipeline("law", decision.release, number)]


def opened(served: Sequence[ServedPipeline]) -> ServedSet:
    digit = served[0].release.memory.fingerprint[0]
    if digit == "8":
        raise RuntimeError("the device has too little memory")
    if digit not in SEEDS:
        raise UserError(f"memory {digit} has another tokenizer")
    return models(SEEDS[digit])


@pytest.fixture
def following(store: Store) -> Iterator[tuple[EngineSlot, ProductionFollower, list[str]]]:
    """A slot at the first release, its follower, and what that said."""
    decide(store, "promoted", "1")
    said: list[str] = []
    slot = EngineSlot(models(SEEDS["1"]), EngineLimits())
    follower = ProductionFollower(
        slot, store, current(store), lambda: current(store), opened, said.append
    )
    yield slot, follower, said
    slot.stop(grace=0)


def served_seeds(slot: EngineSlot) -> str:
    return slot.running[0].catalog.fingerprint


def test_a_release_is_served_from_its_decision_on_and_a_candidate_never(
    store: Store, following: tuple[EngineSlot, ProductionFollower, list[str]]
) -> None:
    slot, follower, said = following
    first = slot.running[0]
    follower.look()
    decide(store, "kept_back", "2")
    follower.look()
    assert slot.running[0] is first
    assert said == []
    decide(store, "promoted", "2")
    follower.look()
    assert served_seeds(slot) == f"seeds{SEEDS['2']}"
    decide(store, "rolled_back", "1")
    follower.look()
    assert served_seeds(slot) == f"seeds{SEEDS['1']}"
    assert said == ["now serving memory/222222222222", "now serving memory/111111111111"]


def test_what_cannot_be_opened_is_tried_once_and_the_next_decision_counts_again(
    store: Store, following: tuple[EngineSlot, ProductionFollower, list[str]]
) -> None:
    slot, follower, _ = following
    decide(store, "promoted", "9")
    with pytest.raises(UserError, match="another tokenizer"):
        follower.look()
    follower.look()
    assert served_seeds(slot) == f"seeds{SEEDS['1']}"
    decide(store, "promoted", "3")
    follower.look()
    assert served_seeds(slot) == f"seeds{SEEDS['3']}"


def test_it_looks_by_itself_while_its_block_runs(
    store: Store,
    following: tuple[EngineSlot, ProductionFollower, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(production_follower, "POLL_SECONDS", 0.05)
    slot, follower, said = following
    changed = threading.Event()

    def on_change(line: str) -> None:
        said.append(line)
        changed.set()

    monkeypatch.setattr(follower, "_on_change", on_change)
    with follower:  # neither what cannot be served nor what is broken ends the looking
        for digit, trouble in (("9", "another tokenizer"), ("8", "too little memory")):
            decide(store, "promoted", digit)
            assert comes_true(lambda said=trouble: said in caplog.text, 30)
        decide(store, "promoted", "2")
        assert changed.wait(30)
    assert served_seeds(slot) == f"seeds{SEEDS['2']}"
