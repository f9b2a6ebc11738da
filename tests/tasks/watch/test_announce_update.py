"""When a corpus is announced: not while it is built from, and once a day until then."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.objects.artifact_ref import ArtifactRef
from tasks.inputs.finished_run import BuiltCorpus
from tasks.watch.announce_update import is_due

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
OURS, OTHER = "a" * 32, "b" * 32


def built_from(fingerprint: str) -> BuiltCorpus:
    refs = {name: ArtifactRef(stage=name, fingerprint=OTHER) for name in ("tokens", "base_model")}
    return BuiltCorpus(
        when="",
        corpus=ArtifactRef(stage="corpus", fingerprint=fingerprint),
        tokens=refs["tokens"],
        base=refs["base_model"],
        scores=None,
    )


@pytest.mark.parametrize("built", [None, built_from(OTHER)])
@pytest.mark.parametrize(("hours", "due"), [(None, True), (1, False), (23.9, False), (24.1, True)])
def test_what_is_not_built_is_announced_at_once_and_then_daily(
    built: BuiltCorpus | None, hours: float | None, due: bool
) -> None:
    announced = None if hours is None else (NOW - timedelta(hours=hours)).isoformat()
    assert is_due([OURS], built, announced, NOW) is due


@pytest.mark.parametrize("same", [[OURS], ["c" * 32, OURS]])
@pytest.mark.parametrize("hours", [None, 1, 100])
def test_what_is_built_is_never_announced(same: list[str], hours: float | None) -> None:
    announced = None if hours is None else (NOW - timedelta(hours=hours)).isoformat()
    assert not is_due(same, built_from(OURS), announced, NOW)
