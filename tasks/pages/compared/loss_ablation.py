"""Memories of different β beside each other: KL only, cross-entropy only, both."""

from tasks.pages.compared.comparison_tables import Row, number, reported_split
from tasks.pages.report_tables import Rows, bases_of, by_key

PREFIX = "memory_beta_"
BETA = "beta"
"""Metric of the row that holds the β of `memory`."""


def ablation(rows: Rows) -> dict[str, dict[float, Row]]:
    """Rows of the reported perplexity by base and β; empty where fewer than two β are known."""
    split, table = reported_split(rows), by_key(rows)
    betas = betas_of(rows)
    if len(betas) < 2:
        return {}
    return {
        base: {beta: table[system, base, split, "perplexity"] for system, beta in betas.items()}
        for base in bases_of(rows)
    }


def betas_of(rows: Rows) -> dict[str, float]:
    """β by system, ascending, as far as the rows tell."""
    betas = {
        system: float(system.removeprefix(PREFIX))
        for system in dict.fromkeys(str(row["system"]) for row in rows)
        if system.startswith(PREFIX)
    }
    own = [row for row in rows if (row["system"], row["metric"]) == ("memory", BETA)]
    if own:
        betas["memory"] = number(own[0]["value"])
    return dict(sorted(betas.items(), key=lambda pair: pair[1]))
