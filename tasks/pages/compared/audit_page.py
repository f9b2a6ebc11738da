"""The comparison's section on memorisation, as Markdown."""

from collections.abc import Iterator, Sequence

from memdec_core.scoring.system_name import label_of
from tasks.pages.markdown_page import markdown_table
from tasks.pages.report_tables import Rows, bases_of, by_key, interval

AUDITED_SYSTEMS = ("base", "memory_alone", "memory")
"""In the order of the table."""
COLUMNS = {
    "verbatim_share": "share in full",
    "verbatim_tokens": "mean run",
    "verbatim_longest": "longest run",
}
AUDITED_SPLITS = ("train", "test")
NOTE = (
    "Each system is given the first tokens of spans of text and continues them greedily: the share "
    "of spans that it reproduces in full, and how many tokens it reproduces before it first "
    "differs, with intervals over resampled spans. No system has seen the test split: what is "
    "reproduced there is boilerplate, and only what goes beyond it was learnt by heart."
)


def audit_sections(rows: Rows) -> list[list[str]]:
    """The sections of a page, as lines; none without an audit.

    Args:
        rows: Rows of one or several audits; rows of other metrics are passed over.
    """
    audited = [row for row in rows if str(row["metric"]) in COLUMNS]
    if not audited:
        return []
    spans = {str(row["split"]): row["n"] for row in audited}
    splits = [split for split in AUDITED_SPLITS if split in spans]
    counted = " and ".join(f"{spans[split]:,} {split}" for split in splits)
    note = f"{NOTE} There are {counted} spans."
    table = [*markdown_table(_lines(audited, splits), left=2)]
    return [["## Text learnt by heart", "", note], table]


def _lines(rows: Rows, splits: Sequence[str]) -> Iterator[dict[str, str]]:
    """One line per base and system, one column per metric and split."""
    table = by_key(rows)
    for base in bases_of(rows):
        for system in AUDITED_SYSTEMS:
            line = {"base": base, "system": label_of(system)}
            for metric, label in COLUMNS.items():
                for split in splits:
                    line[f"{label}, {split}"] = interval(table.get((system, base, split, metric)))
            yield line
