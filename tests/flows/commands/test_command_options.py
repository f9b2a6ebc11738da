import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from flows.commands.command_options import piped_text, stage_timeouts
from flows.commands.generate_command import generate
from memdec_core.errors import UserError


def test_time_outs_are_read_per_stage() -> None:
    read = stage_timeouts(["memory=90", "tokens=0.5"])
    assert [(timeout.stage, timeout.minutes) for timeout in read] == [
        ("memory", 90),
        ("tokens", 0.5),
    ]
    assert stage_timeouts(None) == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["token=5"], "--timeout token=5: there is no such stage; give one of .*'tokens'"),
        (["tokens"], "--timeout tokens: .*valid number.*STAGE=MINUTES"),
        (["tokens=soon"], "--timeout tokens=soon: .*valid number"),
        (["tokens=0"], "--timeout tokens=0: .*greater than 0"),
        (["tokens=1", "tokens=2"], "--timeout tokens=2: stage tokens has one already"),
    ],
)
def test_a_bad_time_out_is_named_with_its_remedy(options: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        stage_timeouts(options)


@pytest.mark.parametrize("given", [{"prompt": "a\udcff"}, {"prompt": "a", "stop": ["a\ud800"]}])
def test_a_text_that_is_no_unicode_is_named(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--(prompt|stop): character 2 is not valid Unicode"):
        generate(tmp_path / "law.yaml", **given)


def test_a_pipe_that_is_no_utf8_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"the court\xff\n", "the übliche\n".encode()):
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(content), encoding="ascii"))
        if content.endswith(b"\xff\n"):
            with pytest.raises(UserError, match="standard input: character 10 is not valid"):
                piped_text()
        else:
            assert piped_text() == "the übliche"
