import time

import pytest
from pydantic import ValidationError

from storage.objects.artifact_ref import ArtifactRef
from tasks.jobs.run_settings import Deadline, RunSettings, StageTimeout

TOKENS = ArtifactRef(stage="tokens", fingerprint="ab" * 16)


def test_a_stage_has_the_deadline_that_is_given_for_it_and_others_have_none() -> None:
    timeouts = (StageTimeout(stage="memory", minutes=90), StageTimeout(stage="tokens", minutes=2))
    deadline = Deadline.from_now(TOKENS, timeouts)
    assert deadline is not None
    assert deadline.seconds_left() == pytest.approx(120, abs=1)
    assert Deadline.from_now(TOKENS, timeouts[:1]) is None


def test_a_deadline_that_has_passed_leaves_no_time() -> None:
    timeout = StageTimeout(stage="tokens", minutes=1)
    assert Deadline(TOKENS, timeout, time.monotonic() - 5).seconds_left() == 0


def test_the_error_names_stage_limit_and_remedy() -> None:
    deadline = Deadline(TOKENS, StageTimeout(stage="tokens", minutes=0.5), 0.0)
    message = str(deadline.error())
    for part in (str(TOKENS), "0.5 minutes", "`--timeout tokens=MINUTES`", "finished shards"):
        assert part in message


@pytest.mark.parametrize("minutes", [0, -1, float("inf"), float("nan")])
def test_a_time_out_is_a_positive_number_of_minutes(minutes: float) -> None:
    with pytest.raises(ValidationError, match="minutes"):
        StageTimeout(stage="tokens", minutes=minutes)


def test_a_stage_is_given_one_time_out() -> None:
    once = StageTimeout(stage="tokens", minutes=1)
    with pytest.raises(ValidationError, match="stage tokens is given 2 times"):
        RunSettings(timeouts=(once, once))


def test_the_parameter_form_gets_a_list_of_stages_to_choose_from() -> None:
    definitions = RunSettings.model_json_schema()["$defs"]["StageTimeout"]["properties"]
    assert {"tokens", "memory", "comparison"} <= set(definitions["stage"]["enum"])
    assert definitions["minutes"]["exclusiveMinimum"] == 0
