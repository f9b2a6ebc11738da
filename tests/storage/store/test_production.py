"""What is in production: one decision after the other, none lost, none made unseen."""

import threading

import pytest

from storage.garbage import collect_garbage
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import DamagedArtifact, UnsafeName
from storage.store.artifact_store import Store
from storage.store.production import (
    Action,
    Decision,
    Release,
    count_decisions,
    in_production,
    read_decisions,
    record_decision,
    rejection,
    ways_back,
)
from tests.support.artifacts import publish


def ref(stage: str, digit: str) -> ArtifactRef:
    return ArtifactRef(stage=stage, fingerprint=digit * 32)


def decision(action: Action, digit: str, artifacts: list[ArtifactRef] | None = None) -> Decision:
    release = Release(
        base=ref("base_model", digit),
        memory=ref("memory", digit),
        evaluation=ref("evaluation", digit),
    )
    return Decision(
        action=action, release=release, artifacts=artifacts or [], who="me@here", why="a test"
    )


def test_the_newest_change_is_in_production_and_a_candidate_is_none(any_store: Store) -> None:
    assert in_production(read_decisions(any_store, "law")) is None
    made = [decision(*each) for each in (("promoted", "1"), ("promoted", "2"), ("kept_back", "3"))]
    for number, each in enumerate(made):
        assert record_decision(any_store, "law", each, after=number)
    record_decision(any_store, "other", made[2], after=0)
    assert read_decisions(any_store, "law") == made
    assert count_decisions(any_store, "law") == 3
    assert in_production(made) is made[1]
    back = decision("rolled_back", "1")
    assert record_decision(any_store, "law", back, after=3)
    assert in_production(read_decisions(any_store, "law")) == back
    assert in_production(read_decisions(any_store, "other")) is None


def test_what_was_rolled_back_is_rejected_until_somebody_brings_it_back() -> None:
    def names(*made: tuple[Action, str]) -> list[str]:
        decisions = [decision(*each) for each in made]
        digits = sorted({digit for _, digit in made})
        return [d for d in digits if rejection(decisions, decision("promoted", d).release)]

    first: list[tuple[Action, str]] = [("promoted", "1"), ("promoted", "2"), ("promoted", "3")]
    assert names(*first) == []
    assert names(*first, ("rolled_back", "2")) == ["3"]
    assert names(*first, ("rolled_back", "2"), ("kept_back", "3")) == ["3"]
    assert names(*first, ("rolled_back", "2"), ("rolled_back", "1")) == ["2", "3"]
    assert names(*first, ("rolled_back", "2"), ("promoted", "4"), ("rolled_back", "3")) == ["4"]
    assert names(*first, ("rolled_back", "2"), ("promoted", "3")) == []
    assert names(*first, ("rolled_back", "3")) == [], "as if nothing had happened"


def test_a_memory_is_rejected_with_its_release_unless_it_is_in_production() -> None:
    def tuned(digit: str, evaluation: str) -> Decision:
        made = decision("promoted", digit)
        release = made.release.model_copy(update={"evaluation": ref("evaluation", evaluation)})
        return made.model_copy(update={"release": release})

    back = decision("rolled_back", "1")
    other_memory = [decision("promoted", "1"), decision("promoted", "2"), back]
    assert rejection(other_memory, tuned("2", "9").release) is back
    assert rejection([*other_memory, tuned("2", "9")], decision("promoted", "2").release) is None

    same_memory = [decision("promoted", "1"), tuned("1", "2"), back]
    assert rejection(same_memory, tuned("1", "2").release) is back
    assert rejection(same_memory, tuned("1", "3").release) is None
    assert rejection(same_memory, back.release) is None


def test_of_two_who_decide_on_what_they_saw_one_has_to_look_again(any_store: Store) -> None:
    record_decision(any_store, "law", decision("promoted", "0"), after=0)
    outcomes: list[bool] = []

    def decide(digit: str) -> None:
        made = decision("promoted", digit)
        outcomes.append(record_decision(any_store, "law", made, after=1))

    threads = [threading.Thread(target=decide, args=(digit,)) for digit in "123456"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 5 + [True]
    assert count_decisions(any_store, "law") == 2


def test_what_can_come_back_is_ordered_as_rollbacks_take_it() -> None:
    def numbers(*made: tuple[Action, str], count: int | None = None) -> list[int]:
        return [number for number, _ in ways_back([decision(*each) for each in made], count)]

    first: list[tuple[Action, str]] = [("promoted", digit) for digit in "1234"]
    assert numbers() == numbers(("kept_back", "1")) == []
    assert numbers(*first) == [4, 3, 2, 1]
    assert numbers(*first, count=0) == [4]
    assert numbers(*first, ("rolled_back", "3")) == [5, 2, 1, 4], "4 is rejected"
    assert numbers(*first, ("rolled_back", "3"), ("rolled_back", "2"), count=1) == [6, 1, 5]


def test_what_is_in_production_and_what_can_come_back_is_never_collected(store: Store) -> None:
    made = [
        publish(store, "memory", {"all": (lambda _folder: None, {})}, {"number": number})
        for number in range(3)
    ]
    for number, memory in enumerate(made):
        record_decision(store, "law", decision("promoted", str(number), [memory]), after=number)
    record_decision(store, "law", decision("kept_back", "9", [made[0]]), after=3)
    assert collect_garbage(store, keep=1, releases=2, grace_seconds=0).artifacts == []
    assert collect_garbage(store, keep=2, releases=1, grace_seconds=0).artifacts == [made[0]]
    collect_garbage(store, keep=1, releases=0, grace_seconds=0)
    assert store.artifacts() == [made[2]]


def test_a_damaged_decision_is_named(any_store: Store) -> None:
    any_store.root.create("production/law/00000001.json", b"{")
    with pytest.raises(DamagedArtifact, match=r"production/law/00000001\.json"):
        read_decisions(any_store, "law")


def test_a_pipeline_name_cannot_leave_the_history(any_store: Store) -> None:
    with pytest.raises(UnsafeName):
        record_decision(any_store, "../artifacts", decision("promoted", "1"), after=0)
