"""What several comparisons say together, in sentences."""

from collections.abc import Iterator, Sequence

import numpy as np

from memdec_core.scoring.system_name import label_of
from tasks.pages.compared.comparison_summary import (
    OVERLAP_NOTE,
    SINGLE_LOSSES,
    on_every_base,
    overlap,
)
from tasks.pages.compared.comparison_tables import FORGETTING, Row, number
from tasks.pages.compared.domains_tables import (
    by_corpus,
    forgetting_matrix,
    joint_bases,
    reported_rows,
)
from tasks.pages.report_tables import Rows, readable


def domains_summary(rows: Rows) -> Iterator[str]:
    """The comparisons in sentences, one list item per claim."""
    bases = joint_bases(rows)
    ratios = {
        f"{base} ({corpus})": row
        for base in bases
        for corpus, row in reported_rows(rows, base, "perplexity_ratio").get("memory", {}).items()
    }
    yield f"- {on_every_base(ratios)}"
    for base in bases:
        yield from (f"- {text}" for text in _average_change(rows, base))
    yield from (f"- {text}" for text in _weakest_with_memory(rows, bases))
    losses = list(_losses(rows, bases))
    forgotten = list(_forgotten(rows, bases))
    yield from (f"- {text}" for text in (*losses, *forgotten))
    if losses or forgotten:
        yield f"- {OVERLAP_NOTE}"


def _average_change(rows: Rows, base: str) -> Iterator[str]:
    """Geometric means of the ratios that all corpora have, and the mean gain of the memory."""
    corpora = by_corpus(rows)
    means = {
        system: np.exp(np.mean([np.log(number(row["value"])) for row in cells.values()]))
        for system, cells in reported_rows(rows, base, "perplexity_ratio").items()
        if len(cells) == len(corpora)
    }
    said = [f"{label_of(system)} {100 * (mean - 1):+.1f} %" for system, mean in means.items()]
    if said:
        yield (
            f"**{base}** over {len(corpora)} corpora, geometric mean of the ratios: "
            f"{', '.join(said)}."
        )


def _weakest_with_memory(rows: Rows, bases: Sequence[str]) -> Iterator[str]:
    """Whether a memory makes up for the size of a base model, corpus by corpus."""
    values = {base: reported_rows(rows, base, "perplexity") for base in bases}
    for corpus in by_corpus(rows):
        alone, mixed = (
            {
                base: number(systems[system][corpus]["value"])
                for base, systems in values.items()
                if corpus in systems.get(system, {})
            }
            for system in ("base", "memory")
        )
        if len(alone) < 2 or not mixed:
            continue
        weakest, strongest = max(alone, key=alone.__getitem__), min(alone, key=alone.__getitem__)
        if weakest in mixed:
            said = "better" if mixed[weakest] < alone[strongest] else "not better"
            yield (
                f"On {corpus} the weakest base with the memory ({weakest}, "
                f"{readable(mixed[weakest])}) is {said} than the strongest alone ({strongest}, "
                f"{readable(alone[strongest])})."
            )


def _losses(rows: Rows, bases: Sequence[str]) -> Iterator[str]:
    """In how many cases both losses together are no worse than one of them."""
    for system, name in SINGLE_LOSSES.items():
        pairs: list[tuple[Row, Row]] = []
        for base in bases:
            found = reported_rows(rows, base, "perplexity")
            both, single = found.get("memory", {}), found.get(system, {})
            pairs += [(both[corpus], single[corpus]) for corpus in both if corpus in single]
        if pairs:
            yield f"Both losses together are no worse than {name} {_counted(pairs)}."


def _forgotten(rows: Rows, bases: Sequence[str]) -> Iterator[str]:
    """In how many cases, elsewhere, the memory does no worse than what changes the base."""
    for system in FORGETTING[1:]:
        pairs: list[tuple[Row, Row]] = []
        for base in bases:
            ours, theirs = (forgetting_matrix(rows, base, name) for name in (FORGETTING[0], system))
            pairs += [
                (row, theirs[domain][corpus])
                for domain, cells in ours.items()
                for corpus, row in cells.items()
                if corpus != domain and corpus in theirs.get(domain, {})
            ]
        if pairs:
            yield (
                f"On corpora that it was not made for, the memory is no worse than "
                f"{label_of(system)} {_counted(pairs)}."
            )


def _counted(pairs: Sequence[tuple[Row, Row]]) -> str:
    """How often the first row is at most the second, and how often that is not sure."""
    lower = sum(number(one["value"]) <= number(other["value"]) for one, other in pairs)
    close = sum(overlap(one, other) == "intervals overlap" for one, other in pairs)
    return f"in {lower} of {len(pairs)} cases (intervals overlap in {close})"
