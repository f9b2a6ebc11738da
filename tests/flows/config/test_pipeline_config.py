import re
from pathlib import Path

import pytest

from flows.config.config_file import load_config
from flows.config.pipeline_config import ScheduleConfig
from memdec_core.errors import UserError


def test_a_pipeline_is_watched_and_nothing_else_runs_by_itself() -> None:
    schedule = ScheduleConfig()
    assert schedule.watch == "*/15 * * * *"
    assert (schedule.build, schedule.compare, schedule.timezone) == (None, None, "UTC")


def test_schedules_are_taken_as_they_are_written(tiny_pipeline: Path) -> None:
    overrides = ["schedule.watch=5 * * * *", "schedule.build=30 2 * * *"]
    schedule = load_config(tiny_pipeline, [*overrides, "schedule.timezone=Asia/Tokyo"]).schedule
    assert (schedule.watch, schedule.build) == ("5 * * * *", "30 2 * * *")
    assert schedule.timezone == "Asia/Tokyo"
    never = load_config(tiny_pipeline, [*overrides, "schedule.watch=null"]).schedule
    assert (never.watch, never.build) == (None, "30 2 * * *")


@pytest.mark.parametrize("cron", ["0 25 * * *", "daily", "0 0 * *", ""])
def test_what_is_no_cron_expression_is_refused_with_an_example(cron: str) -> None:
    with pytest.raises(ValueError, match=f"{re.escape(repr(cron))} is no cron expression; .*2:30"):
        ScheduleConfig(build=cron)


def test_a_wrong_schedule_in_a_file_is_named(tiny_pipeline: Path) -> None:
    with pytest.raises(UserError, match=r"config\.schedule\.compare: 'weekly' is no cron"):
        load_config(tiny_pipeline, ["schedule.compare=weekly"])
    with pytest.raises(UserError, match=r"config\.schedule\.timezone: 'Mars' is no time zone"):
        load_config(tiny_pipeline, ["schedule.timezone=Mars"])
