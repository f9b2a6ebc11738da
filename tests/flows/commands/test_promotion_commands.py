"""`memdec rollback`: which release it brings back."""

import json
from pathlib import Path

import pytest
import yaml

from flows.commands import promotion_commands
from memdec_core.errors import UserError
from storage.garbage import collect_garbage
from storage.store.artifact_store import Store
from storage.store.production import (
    Decision,
    Release,
    in_production,
    read_decisions,
    record_decision,
)
from tests.support.artifacts import publish, remove


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    content = {"name": "law", "corpus": {"documents": ["x"]}, "base_model": {"name": "y"}}
    path = tmp_path / "law.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def promoted(store: Store, number: int) -> Decision:
    """The promotion of a release whose artifacts are there."""
    parts = {
        field: publish(store, stage, {"all": (lambda _folder: None, {})}, {"number": number})
        for field, stage in (("base", "base_model"), ("memory", "memory"), ("evaluation",) * 2)
    }
    return Decision(
        action="promoted", release=Release(**parts), artifacts=[], who="a run", why="better"
    )


def three_releases(store: Store) -> list[Decision]:
    """Their promotions, as recorded."""
    made = [promoted(store, number) for number in (1, 2, 3)]
    for number, each in enumerate(made):
        record_decision(store, "law", each, after=number)
    return made


def test_each_rollback_goes_one_release_further_back_and_a_number_names_any(
    pipeline: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    made = three_releases(store)

    def roll_back(to: int | None = None) -> int:
        """Which of the releases is in production then."""
        promotion_commands.rollback(pipeline, to=to, store=store.url)
        current = in_production(read_decisions(store, "law"))
        assert current is not None
        assert current.action == "rolled_back"
        return 1 + [each.release for each in made].index(current.release)

    assert roll_back() == 2
    assert roll_back() == 1
    with pytest.raises(UserError, match=r"no earlier release that is still there.*--to"):
        roll_back()
    assert roll_back(to=3) == 3


def test_a_release_of_the_same_memory_with_another_weight_can_come_back(
    pipeline: Path, store: Store
) -> None:
    first, other = promoted(store, 1), promoted(store, 2)
    tuned = first.release.model_copy(update={"evaluation": other.release.evaluation})
    for number, release in enumerate((first.release, tuned)):
        made = first.model_copy(update={"release": release})
        record_decision(store, "law", made, after=number)
    promotion_commands.rollback(pipeline, store=store.url)
    current = in_production(read_decisions(store, "law"))
    assert current is not None
    assert current.release == first.release


def test_a_release_that_was_collected_is_said_to_be_gone_and_cannot_come_back(
    pipeline: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    made = three_releases(store)
    collect_garbage(store, keep=1, releases=1)
    promotion_commands.history(pipeline, store=store.url, as_json=True)
    rows = json.loads(capsys.readouterr().out)["decisions"]
    assert [row["gone"] is None for row in rows] == [False, True, True]
    assert "was deleted by `memdec artifacts gc` (20" in rows[0]["gone"]
    promotion_commands.history(pipeline, store=store.url)
    assert "Gone, so that they cannot come back:\n  1: " in capsys.readouterr().out
    with pytest.raises(UserError, match=r"--to 1: that release cannot come back: .*artifacts gc"):
        promotion_commands.rollback(pipeline, to=1, store=store.url)
    remove(store, made[1].release.memory)
    with pytest.raises(UserError, match="no earlier release that is still there"):
        promotion_commands.rollback(pipeline, store=store.url)
    with pytest.raises(UserError, match=r"is missing, see `memdec artifacts verify`"):
        promotion_commands.rollback(pipeline, to=2, store=store.url)
    current = in_production(read_decisions(store, "law"))
    assert current == made[2]
