"""The promotion gate's page: what was checked, against which limit, and what kept a build back."""

from collections.abc import Sequence

from memdec_core.scoring.promotion_gate import GateCheck
from tasks.pages.markdown_page import fill_template


def gate_page(checks: Sequence[GateCheck], said: str, *, has_production: bool) -> str:
    """The page as Markdown.

    Args:
        checks: All checks.
        said: What they come to, in words.
        has_production: Whether the build was compared with another.
    """
    return fill_template(
        "tasks.pages",
        "gate_page.md.jinja",
        checks=checks,
        said=said,
        passed=all(check.passed for check in checks),
        has_production=has_production,
    )
