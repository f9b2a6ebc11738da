"""The adaptive α on the comparison's page: a sentence per base, and a table."""

from collections.abc import Iterator

from memdec_core.router.router_table import (
    ALPHA_HIGH,
    ALPHA_LOW,
    ALPHA_MEAN,
    RATIO_TO_CONSTANT,
    ROUTED,
)
from memdec_core.scoring.result_row import TUNING_SPLIT
from tasks.pages.compared.comparison_summary import change, direction
from tasks.pages.compared.comparison_tables import Table, reported_split
from tasks.pages.markdown_page import markdown_table
from tasks.pages.report_tables import Rows, bases_of, by_key, interval, readable

NOTE = (
    "A router sets the memory's weight at every token from what base and memory predict there. It "
    "was fitted on the validation split, like the constant α but with many more parameters: its "
    "figures there are better than on unseen text. Paired: both on the same resamples."
)
VERDICTS = {
    "lower": "better than",
    "higher": "worse than",
    "not clearly different": "not clearly different from",
}
FITTED_HERE = "the router was fitted on this very text, so that less is to be expected elsewhere"


def router_summary(rows: Rows) -> Iterator[str]:
    """What adapting α gains over the constant, one list item per base that has a router."""
    table, split = by_key(rows), reported_split(rows)
    for base in bases_of(rows):
        ratio = table.get((ROUTED, base, split, RATIO_TO_CONSTANT))
        if ratio is not None:
            constant = table["memory", base, TUNING_SPLIT, "alpha"]
            caveat = f"; {FITTED_HERE}" if split == TUNING_SPLIT else ""
            yield (
                f"- For **{base}** an α that adapts to every token is "
                f"{VERDICTS[direction(ratio)]} the constant {readable(constant['value'])}: "
                f"{split} perplexity {change(ratio)}, α {_weights(table, base, split)}{caveat}."
            )


def router_sections(rows: Rows) -> list[list[str]]:
    """The table of all bases with a router, on everything they were measured on."""
    table = by_key(rows)
    lines = [
        {
            "base": str(base),
            "measured on": f"{split} (fitted here)" if split == TUNING_SPLIT else str(split),
            "perplexity": interval(table[ROUTED, base, split, "perplexity"]),
            "ratio to the constant α": interval(row),
            "α: mean, middle 80 %": _weights(table, str(base), str(split)),
        }
        for (system, base, split, metric), row in table.items()
        if (system, metric) == (ROUTED, RATIO_TO_CONSTANT)
    ]
    return [["## Adaptive α", "", NOTE, "", *markdown_table(lines)]] if lines else []


def _weights(table: Table, base: str, split: str) -> str:
    mean, low, high = (
        readable(table[ROUTED, base, split, metric]["value"])
        for metric in (ALPHA_MEAN, ALPHA_LOW, ALPHA_HIGH)
    )
    return f"{mean} ({low} to {high})"
