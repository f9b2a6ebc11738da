import pytest

from flows.commands.command_options import stage_timeouts
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
