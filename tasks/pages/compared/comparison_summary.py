"""What a comparison says, in sentences: the answer before its tables."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from memdec_core.scoring.system_name import SystemName, label_of
from tasks.pages.compared.comparison_tables import (
    FORGETTING,
    Row,
    Table,
    corpora_elsewhere,
    number,
    reported_split,
    systems_of,
)
from tasks.pages.report_tables import Rows, bases_of, by_key, interval, readable

FURTHER_MEMORIES = ("memory_beta", "memory_datastore", "memory_student", "memory_router")
"""Kinds of memories that stand beside the pipeline's own."""

SINGLE_LOSSES = {"memory_beta_1": "KL only", "memory_beta_0": "cross-entropy only"}

OVERLAP_NOTE = (
    "Intervals of two systems move together, as they resample the same documents: overlapping ones "
    "do not say that the systems are alike."
)


def summary(rows: Rows) -> Iterator[str]:
    """The comparison in sentences, one list item per claim."""
    table, split, bases = by_key(rows), reported_split(rows), bases_of(rows)
    for base in bases:
        yield f"- {_against_base(table, rows, base, split)}"
    ratios = {base: table.get(("memory", base, split, "perplexity_ratio")) for base in bases}
    yield f"- {on_every_base({base: row for base, row in ratios.items() if row})}"
    losses = [sentence for base in bases for sentence in _both_losses(table, base, split)]
    yield from (f"- {sentence}" for sentence in losses)
    elsewhere = [
        f"On {corpus}, perplexity changes: {'; '.join(found)}."
        for corpus in corpora_elsewhere(rows)
        if (found := [text for base in bases for text in forgetting(table, base, corpus)])
    ]
    yield from (f"- {sentence}" for sentence in elsewhere)
    if losses or elsewhere:
        yield f"- {OVERLAP_NOTE}"


def on_every_base(ratios: Mapping[str, Row]) -> str:
    """Whether base and memory together are better than the base, over all bases.

    Args:
        ratios: Rows of the memory's ratio, by base or whatever they are measured on.
    """
    if not ratios:
        return "There is no memory among the systems."
    higher = [name for name, row in ratios.items() if number(row["value"]) >= 1]
    lower = [name for name in ratios if name not in higher]
    unsure = [name for name in lower if not beats(ratios[name])]
    said = f"Base and memory together are better than the base on {len(lower)} of {len(ratios)}"
    if higher:
        said += f", not on {', '.join(higher)}"
    if unsure:
        said += f"; within the uncertainty on {', '.join(unsure)}"
    return f"{said}."


def beats(ratio: Row) -> bool:
    """Whether the whole interval of a ratio is below 1."""
    return ratio["ci_high"] is not None and number(ratio["ci_high"]) < 1


def change(ratio: Row) -> str:
    """How far a ratio is from 1, in percent: `-41.3 % (-45.3 to -36.3)`."""
    if ratio["ci_low"] is None or ratio["ci_high"] is None:
        return f"{_percent(ratio['value'])} % (too little text for an interval)"
    value, low, high = (_percent(ratio[name]) for name in ("value", "ci_low", "ci_high"))
    return f"{value} % ({low} to {high})"


def overlap(one: Row, other: Row) -> str:
    """Whether two intervals have a point in common, in words."""
    ends = [row[end] for row in (one, other) for end in ("ci_low", "ci_high")]
    if None in ends:
        return "without intervals"
    low, high, other_low, other_high = map(number, ends)
    return "intervals overlap" if low <= other_high and other_low <= high else "intervals apart"


def forgetting(table: Table, base: str, corpus: str) -> Iterator[str]:
    """What the memory costs a base on another corpus, beside DAPT and LoRA."""
    memory = table.get(("memory", base, corpus, "perplexity_ratio"))
    if memory is None:
        return
    others = {
        label_of(system): row
        for system in FORGETTING[1:]
        if (row := table.get((system, base, corpus, "perplexity_ratio")))
    }
    said = [
        f"{_order(memory, row, 'better', 'worse')} {name} with {change(row)}, "
        f"{overlap(memory, row)}"
        for name, row in others.items()
    ]
    yield f"**{base}** with the memory {change(memory)}" + "".join(f", {text}" for text in said)


def _against_base(table: Table, rows: Rows, base: str, split: str) -> str:
    """Which systems are better than a base, and by how much."""
    kinds: dict[str, list[str]] = {"lower": [], "higher": [], "not clearly different": []}
    for system in systems_of(rows):
        ratio = table.get((system, base, split, "perplexity_ratio"))
        name = SystemName.parse(system)
        if ratio is not None and (name is None or name.kind not in FURTHER_MEMORIES):
            kinds[direction(ratio)].append(f"{label_of(system)} {change(ratio)}")
    said = "; ".join(f"{kind} with {', '.join(found)}" for kind, found in kinds.items() if found)
    before = readable(table["base", base, split, "perplexity"]["value"])
    return f"**{base}** has a {split} perplexity of {before}" + (f": {said}." if said else ".")


def direction(ratio: Row) -> str:
    """Which way a system differs from its base, if the interval leaves no doubt."""
    if beats(ratio):
        return "lower"
    surely = ratio["ci_low"] is not None and number(ratio["ci_low"]) > 1
    return "higher" if surely else "not clearly different"


def _both_losses(table: Table, base: str, split: str) -> Iterator[str]:
    """Whether the memory trained on both losses is at least as good as those trained on one."""
    both = table.get(("memory", base, split, "perplexity"))
    single = {
        name: row
        for system, name in SINGLE_LOSSES.items()
        if (row := table.get((system, base, split, "perplexity")))
    }
    if both is None or not single:
        return
    said = "; ".join(
        f"{_order(both, row, 'lower', 'higher')} {name} with {interval(row)}, {overlap(both, row)}"
        for name, row in single.items()
    )
    yield f"Both losses together give **{base}** {interval(both)}: {said}."


def _order(one: Row, other: Row, less: str, more: str) -> str:
    """How the first value stands to the second."""
    first, second = number(one["value"]), number(other["value"])
    return "the same as" if first == second else f"{less if first < second else more} than"


def _percent(ratio: JsonValue) -> str:
    return f"{100 * (number(ratio) - 1):+.1f}"
