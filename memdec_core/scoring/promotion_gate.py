"""Whether a new memory is at least as good as the one in production: the gate's single checks.

Every check is a number with a limit. A number with a confidence interval
fails only if the whole interval lies above the limit: chance alone keeps nothing back.
"""

from collections.abc import Sequence
from typing import NamedTuple

from memdec_core.scoring.bootstrap import Interval

PREVIOUS_TEXT = "previous_text"
"""The text that production was built with; no other corpus can have this name."""


class GateCheck(NamedTuple):
    """One thing that a build must show.

    Attributes:
        check: What was looked at, in words.
        base: Name of the base model; None where the number does not depend on one.
        value: The number that was measured.
        ci_low: Lower end of its confidence interval; None where there is none.
        ci_high: Upper end.
        limit: What it must not exceed; of a `least_check`, must reach.
        passed: Whether it does so.
    """

    check: str
    base: str | None
    value: float
    ci_low: float | None
    ci_high: float | None
    limit: float
    passed: bool


def interval_check(check: str, base: str | None, interval: Interval, limit: float) -> GateCheck:
    """A check of a number whose interval may be unknown (NaN); then the number itself counts."""
    low, high = interval.known_bounds
    least = interval.value if low is None else low
    return GateCheck(check, base, interval.value, low, high, limit, least <= limit)


def least_check(check: str, value: float, limit: float) -> GateCheck:
    """A check of a number that must be at least `limit`."""
    return GateCheck(f"{check}, at least", None, value, None, None, limit, value >= limit)


def weight_check(base: str, alpha: float) -> GateCheck:
    """Whether the mixture uses the memory at all: a memory with α = 0 changes nothing."""
    return GateCheck("weight α of the memory, more than", base, alpha, None, None, 0.0, alpha > 0)


def verdict(checks: Sequence[GateCheck]) -> str:
    """In one sentence what kept a build back, or that nothing did."""
    failed = [check for check in checks if not check.passed]
    if not failed:
        return f"all {len(checks)} checks passed"
    said = (
        f"{check.check}{f' ({check.base})' if check.base else ''}: {check.value:.4g}, "
        f"the limit is {check.limit:.4g}"
        for check in failed
    )
    return "; ".join(said)
