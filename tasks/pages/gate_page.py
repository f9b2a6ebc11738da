"""The promotion gate's page: what was checked, against which limit, and what kept a build back."""

from collections.abc import Iterator, Sequence

from memdec_core.scoring.promotion_gate import GateCheck
from tasks.pages.markdown_page import markdown_row

NOTE = (
    "A number with an interval fails only if all of the interval is above the limit. Ratios are "
    "paired: both systems on the same tokens and the same resamples of documents. Every α was "
    "tuned on the validation split of this build, production's too."
)
FIRST = "Nothing is in production yet, so there was nothing to compare the memory with."


def gate_page(checks: Sequence[GateCheck], said: str, *, has_production: bool) -> str:
    """The page as Markdown.

    Args:
        checks: All checks.
        said: What they come to, in words.
        has_production: Whether the build was compared with another.
    """
    passed = all(check.passed for check in checks)
    title = "Passed the promotion gate" if passed else "Kept back by the promotion gate"
    lines = [f"# {title}", "", f"**{said[:1].upper()}{said[1:]}.**", ""]
    lines += [] if has_production else [FIRST, ""]
    lines += [*_table(checks), "", NOTE]
    if not passed:
        lines += ["", "The memory stays a candidate. To put it into production all the same:", ""]
        lines += ["```", 'memdec promote PIPELINE.yaml --why "…"', "```"]
    return "\n".join(lines) + "\n"


def _table(checks: Sequence[GateCheck]) -> Iterator[str]:
    yield "| | checked | base | measured | interval | limit |"
    yield "|---|---|---|--:|--:|--:|"
    for check in checks:
        measured = "" if check.ci_low is None else f"{check.ci_low:.4g} – {check.ci_high:.4g}"
        yield markdown_row(
            "passed" if check.passed else "**failed**",
            check.check,
            check.base or "",
            f"{check.value:.4g}",
            measured,
            f"{check.limit:.4g}",
        )
