"""Two builds of a pipeline that finish together: the later one is judged by the earlier's outcome.

What the gate measures is tested in test_judge_candidate.py, all of it together in
test_operation.py.
"""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from flows.config.pipeline_config import PipelineConfig
from flows.running import promotion
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.production import (
    Action,
    Decision,
    Release,
    in_production,
    read_decisions,
    record_decision,
)


def release(digit: str) -> Release:
    return Release(
        base=ArtifactRef(stage="base_model", fingerprint=digit * 32),
        memory=ArtifactRef(stage="memory", fingerprint=digit * 32),
        evaluation=ArtifactRef(stage="evaluation", fingerprint=digit * 32),
    )


def decision(action: Action, digit: str) -> Decision:
    return Decision(action=action, release=release(digit), artifacts=[], who="me", why="a test")


def config() -> PipelineConfig:
    content = {"name": "law", "corpus": {"documents": ["x"]}, "base_model": {"name": "y"}}
    return PipelineConfig.model_validate(content)


def decide(store: Store, candidate: str, trial: str = "") -> promotion.Promotion:
    """A build that finishes with a candidate."""
    plan = SimpleNamespace(digit=candidate, jobs=list)
    run = cast(Any, SimpleNamespace(store=store))
    return promotion.decide_promotion(run, config(), cast(Any, plan), trial)


@pytest.fixture(autouse=True)
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "release_of", lambda plan: release(plan.digit))
    monkeypatch.setattr(promotion, "announce_decision", lambda *_: None)


def judged(*, passed: bool) -> promotion._Judged:
    return promotion._Judged(passed=passed, why="a test", gate=None)


def test_a_build_that_is_overtaken_is_judged_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Release | None] = []

    def gate(
        _run: object, _config: object, _plan: object, decisions: list[Decision]
    ) -> promotion._Judged:
        current = in_production(decisions)
        production = None if current is None else current.release
        seen.append(production)
        if len(seen) == 1:  # another build is promoted while this one is judged
            assert record_decision(store, "law", decision("promoted", "1"), after=0)
        return judged(passed=production is None)

    monkeypatch.setattr(promotion, "_judge", gate)
    assert decide(store, "2") == {"outcome": "kept_back", "why": "a test"}
    assert seen == [None, release("1")]
    current = in_production(read_decisions(store, "law"))
    assert current is not None
    assert current.release == release("1")
    assert decide(store, "1") == {
        "outcome": "promoted", "why": "it is in production already",
    }  # fmt: skip
    assert len(seen) == 2, "what is in production is not judged"


def test_a_memory_that_was_rolled_back_comes_back_by_hand_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        decision("promoted", "1"), decision("promoted", "2"), decision("rolled_back", "1"),
    ]  # fmt: skip
    for number, each in enumerate(made):
        record_decision(store, "law", each, after=number)

    def never(*_arguments: object) -> None:
        pytest.fail("it was judged")

    monkeypatch.setattr(promotion, "plan_gate", never)
    said = decide(store, "2")
    assert said["outcome"] == "kept_back"
    assert "me has rolled it back (a test)" in said["why"]
    kept = read_decisions(store, "law")
    assert [each.action for each in kept[3:]] == ["kept_back"]
    assert in_production(kept) == made[2]

    record_decision(store, "law", decision("promoted", "2"), after=4)
    assert decide(store, "2")["outcome"] == "promoted"


@pytest.mark.parametrize("passed", [True, False])
def test_a_trial_stays_a_candidate_whatever_the_gate_says_of_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, passed: bool
) -> None:
    monkeypatch.setattr(promotion, "_judge", lambda *_: judged(passed=passed))
    said = decide(store, "1", trial="it is a trial")
    assert said == (
        {"outcome": "candidate", "why": "a test, but it is a trial"}
        if passed
        else {"outcome": "kept_back", "why": "a test"}
    )
    decisions = read_decisions(store, "law")
    assert [each.action for each in decisions] == ["kept_back"]
    assert in_production(decisions) is None
    assert decide(store, "1")["outcome"] == ("promoted" if passed else "kept_back")
