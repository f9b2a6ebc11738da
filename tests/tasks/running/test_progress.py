"""Bars of a run: where it is, how far, and until when."""

import io
import logging
from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.progress import Progress

from tasks.inputs import counted_progress
from tasks.inputs.counted_progress import CountedProgress
from tasks.running import progress
from tasks.running.progress import TERMINAL, RunProgress, announce, stage_progress


@pytest.fixture
def display() -> Iterator[Progress]:
    """A display that prints to nowhere."""
    with Progress(console=Console(file=io.StringIO(), width=75)) as shown_to_nobody:
        token = TERMINAL.set(shown_to_nobody)
        yield shown_to_nobody
        TERMINAL.reset(token)


def shown(display: Progress) -> list[tuple[str, float | None, float | None]]:
    return [(task.description, task.completed, task.total) for task in display.tasks]


def test_a_run_says_which_stage_it_is_at_and_how_much_of_its_time_is_over(
    display: Progress,
) -> None:
    run = RunProgress([10.0, 0.0, 30.0])
    with run.stage("corpus"), stage_progress("Read", 1, 0) as stage:
        stage.report("all", 0.5, "7 records")
        assert shown(display) == [("stage 1 of 3: corpus", 5.0, 40.0), ("7 records", 0.5, 1.0)]
    with run.stage("tokens"):
        assert shown(display) == [("stage 2 of 3: tokens", 10.0, 40.0)]
    run.extend(1)
    with run.stage("targets"), stage_progress("Find", 4, 1) as stage:
        stage.report("train-1", 1.0, "")
        stage.report("train-2", 0.5, "1/2 positions")
        assert shown(display)[0] == ("stage 3 of 4: targets", 10 + 30 * 2.5 / 4, 40.0)
        assert shown(display)[1] == ("shard 3/4, 1/2 positions", 2.5 / 4, 1.0)


def test_no_end_is_promised_where_a_stage_was_never_timed(display: Progress) -> None:
    run = RunProgress([1.0, None])
    with run.stage("corpus"), stage_progress("Read", 1, 0) as stage:
        stage.report("all", 0.5, "")
        assert shown(display) == [("stage 1 of 2: corpus", 0, None), ("Read", 0.5, 1.0)]


def test_without_a_display_lines_are_in_the_log_and_nothing_is_shown(
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "get_run_logger", lambda: logging.getLogger("of the run"))
    with RunProgress([1.0]).stage("corpus"), stage_progress("Read", 1, 0) as stage:
        stage.report("all", 0.5, "7 records")
        announce("a line", logging.WARNING)
    assert caplog.messages == ["a line"]
    assert capsys.readouterr().out == ""


def test_a_counter_has_a_rate_and_passes_on_what_does_not_come_too_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter([0.0, 2.0, 2.1, 4.0, 4.1])
    monkeypatch.setattr(counted_progress.time, "monotonic", lambda: next(seconds))
    said: list[tuple[float, str]] = []
    counter = CountedProgress(lambda *each: said.append(each), 4000, "positions", share=0.5)
    part = counter.part(1000, 3000)
    part(0.5)
    part(0.6)
    part(1.0)
    counter.fraction(1.0)
    assert said == [
        (0.25, "2,000/4,000 positions, 1,000/s"),
        (0.375, "3,000/4,000 positions, 750/s"),
        (0.5, "4,000/4,000 positions, 976/s"),
    ]
