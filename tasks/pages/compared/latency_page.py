"""What generation takes with every system, as a part of the comparison's page."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from memdec_core.plots.comparison_plots import SYSTEM_COLOURS
from memdec_core.scoring.system_name import label_of
from tasks.pages.markdown_page import markdown_table
from tasks.pages.report_tables import readable

PICTURE = "latency.png"
"""Of one base, beside its table."""

NOTE = (
    "Greedy generation of one text, warm. Times are medians over rounds in which every system "
    "continues the same prompt in turn. The ratio is that of the time per token after the first to "
    "the base's in the same round, with the quartiles over the rounds; beside it, (base + memory) "
    "/ base of the operations per token. Memory and disk: weights, index and what follows its "
    "keys. Weights of mixtures are .5, not tuned: the work is the same. Datastores larger than the "
    "base's own are filled up with copies of its keys, moved a little. Systems without a size of "
    "datastore search none, so that they are measured once per length of prompt."
)
LatencyRow = Mapping[str, JsonValue]


def latency_sections(tables: Mapping[str, Sequence[LatencyRow]]) -> list[list[str]]:
    """Sections of Markdown, as lists of lines.

    Args:
        tables: Rows of `storage.formats.row_tables` by name of the base.

    Returns:
        A heading with a note, and a section per base; none where nothing was measured.
    """
    if not tables:
        return []
    heading = ["## Time and memory of generation", "", NOTE]
    return [heading, *(_section(base, rows) for base, rows in tables.items())]


def _section(base: str, rows: Sequence[LatencyRow]) -> list[str]:
    lines = map(_line, sorted(rows, key=_place))
    return [f"### {base}", "", *markdown_table(lines), "", _machine(rows[0])]


def _line(row: LatencyRow) -> dict[str, str]:
    flops, datastore_rows = row["flops_ratio"], row["datastore_rows"]
    return {
        "system": label_of(str(row["system"])),
        "prompt (tokens)": f"{row['context']:,}",
        "datastore (rows)": "" if datastore_rows is None else f"{datastore_rows:,}",
        "ratio": _ratio(row),
        "operations": "" if flops is None else readable(flops),
        "tokens/s": readable(row["tokens_per_second"]),
        "first token (ms)": readable(row["first_token_ms"]),
        "memory (MB)": _megabytes(row["memory_bytes"]),
        "disk (MB)": _megabytes(row["disk_bytes"]),
    }


def _place(row: LatencyRow) -> tuple[int, int, int]:
    context, datastore_rows = row["context"], row["datastore_rows"] or 0
    assert isinstance(context, int)
    assert isinstance(datastore_rows, int)
    return context, list(SYSTEM_COLOURS).index(str(row["system"])), datastore_rows


def _ratio(row: LatencyRow) -> str:
    if row["system"] == "base":
        return "1"
    return (
        f"{readable(row['ratio'])} ({readable(row['ratio_low'])} – {readable(row['ratio_high'])})"
    )


def _megabytes(value: JsonValue) -> str:
    assert isinstance(value, int)
    return f"{value / 1e6:,.1f}"


def _machine(row: LatencyRow) -> str:
    return (
        f"Measured on a machine with {row['cores']} processor cores; models ran on: "
        f"{row['device']}, with {row['threads']} threads for work on the processor."
    )
