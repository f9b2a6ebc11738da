"""The comparison's page: systems by base in the paper's layout, as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from memdec_core.system_comparison import TUNING_SPLIT
from tasks.report_tables import Rows, bases_of, by_key, interval, markdown_row, readable

REPORTED = "test"
LABELS = {
    "base": "base",
    "rag": "in-context retrieval",
    "knn_lm": "kNN-LM",
    "lora": "LoRA",
    "dapt": "DAPT",
    "dapt_small": "+ DAPT of the student",
    "memory": "+ memory",
    "memory_beta_0": "+ memory, cross-entropy only",
    "memory_beta_1": "+ memory, KL only",
}
"""In the order of the paper's table."""

KNOBS = {"alpha": "α", "lambda": "λ", "tau": "τ"}
NOTE = (
    "Perplexity per token and its confidence interval over resampled documents, on exactly the "
    "same tokens for every system. Weights and temperatures were tuned on the validation split."
)
RATIO_NOTE = "Below 1 is better than the base. Paired: both systems on the same resamples."


def comparison_page(rows: Rows, picture: str) -> str:
    """One page that a person can read.

    Args:
        rows: The comparison's rows.
        picture: File name of the plot beside the page.
    """
    split = reported_split(rows)
    sections = [
        ["# The memory and what one would do without it", "", NOTE],
        [f"## Perplexity, {split}", "", *_table(systems_by_base(rows, "perplexity", split))],
        [f"![Perplexity by system and base]({picture})"],
        [f"## Ratio to the base, {split}", "", RATIO_NOTE],
        [*_table(systems_by_base(rows, "perplexity_ratio", split))],
        *[_elsewhere(rows, corpus) for corpus in _corpora_elsewhere(rows)],
        ["## What was tuned", "", *_table(_tuned(rows))],
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def systems_by_base(rows: Rows, metric: str, split: str) -> Iterator[dict[str, str]]:
    """A metric on a split or another corpus: one line per system, one column per base."""
    table = by_key(rows)
    for system in systems_of(rows):
        cells = {base: table.get((system, base, split, metric)) for base in bases_of(rows)}
        if any(cells.values()):
            shown = {base: "" if row is None else interval(row) for base, row in cells.items()}
            yield {"system": label_of(system), **shown}


def perplexities(rows: Rows) -> dict[str, dict[str, float]]:
    """The reported perplexity by base and system, in the order of the page."""
    split, table = reported_split(rows), by_key(rows)
    found: dict[str, dict[str, float]] = {}
    for base in bases_of(rows):
        for system in systems_of(rows):
            row = table.get((system, base, split, "perplexity"))
            if row is not None:
                value = row["value"]
                assert isinstance(value, float)
                found.setdefault(base, {})[label_of(system)] = value
    return found


def reported_split(rows: Rows) -> str:
    """The split that nothing was tuned on, where there is one."""
    return REPORTED if any(row["split"] == REPORTED for row in rows) else TUNING_SPLIT


def systems_of(rows: Rows) -> list[str]:
    """The systems in the order of the paper's table."""
    present = list(dict.fromkeys(str(row["system"]) for row in rows))
    return sorted(present, key=lambda system: (_rank(system), system))


def label_of(system: str) -> str:
    """What the page calls a system."""
    prefix = "memory_beta_"
    if system.startswith(prefix) and system not in LABELS:
        return f"+ memory, β = {system.removeprefix(prefix)}"
    return LABELS[system]


def _rank(system: str) -> int:
    order: Sequence[str] = list(LABELS)
    return order.index(system) if system in order else len(order)


def _corpora_elsewhere(rows: Rows) -> list[str]:
    """Corpora beside the domain, on which nothing was tuned."""
    names = dict.fromkeys(str(row["split"]) for row in rows)
    return [name for name in names if name not in (TUNING_SPLIT, REPORTED)]


def _elsewhere(rows: Rows, corpus: str) -> list[str]:
    """What the systems lose (ratio above 1) or gain on another corpus, tuned as they are."""
    return [
        f"## Ratio to the base on another corpus: {corpus}",
        "",
        *_table(systems_by_base(rows, "perplexity_ratio", corpus)),
    ]


def _tuned(rows: Rows) -> Iterator[dict[str, str]]:
    """What was tuned: one line per system, one column per base."""
    table = by_key(rows)
    for system in systems_of(rows):
        cells = {base: _knobs_of(table, system, base) for base in bases_of(rows)}
        if any(cells.values()):
            yield {"system": label_of(system), **cells}


def _table(lines: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Lines of equal columns as Markdown, the first column to the left."""
    for number, line in enumerate(lines):
        if number == 0:
            yield markdown_row(*line)
            yield markdown_row("---", *["--:"] * (len(line) - 1))
        yield markdown_row(*line.values())


def _knobs_of(
    table: Mapping[tuple[JsonValue, ...], Mapping[str, JsonValue]], system: str, base: str
) -> str:
    found = {sign: table.get((system, base, TUNING_SPLIT, knob)) for knob, sign in KNOBS.items()}
    return ", ".join(f"{sign} = {readable(row['value'])}" for sign, row in found.items() if row)
