"""The gate's checks: what fails, what chance excuses, and what is said of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.scoring.bootstrap import Interval
from memdec_core.scoring.promotion_gate import GateCheck, interval_check, verdict

FINITE = st.floats(0.01, 100)


@given(value=FINITE, spread=st.floats(0, 5), limit=FINITE)
def test_only_an_interval_wholly_above_the_limit_fails(
    value: float, spread: float, limit: float
) -> None:
    interval = Interval(value, value - spread, value + spread)
    check = interval_check("ratio", "gpt2", interval, limit)
    assert check.passed == (value - spread <= limit)
    assert (check.ci_low, check.ci_high) == (value - spread, value + spread)


@pytest.mark.parametrize(("value", "passed"), [(1.0, True), (1.001, False)])
def test_without_an_interval_the_number_itself_counts(value: float, *, passed: bool) -> None:
    check = interval_check("ratio", None, Interval(value, math.nan, math.nan), 1.0)
    assert check == GateCheck("ratio", None, value, None, None, 1.0, passed)


def test_the_verdict_names_every_check_that_failed_with_its_limit() -> None:
    good = GateCheck("total variation", None, 0.001, None, None, 0.01, passed=True)
    bad = GateCheck("test perplexity, ratio to production", "gpt2", 1.5, 1.4, 1.6, 1, passed=False)
    assert verdict([good, good]) == "all 2 checks passed"
    said = verdict([good, bad, bad._replace(base=None)])
    assert said == (
        "test perplexity, ratio to production (gpt2): 1.5, the limit is 1; "
        "test perplexity, ratio to production: 1.5, the limit is 1"
    )
