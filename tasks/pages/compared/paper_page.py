"""The paper's numbers (arXiv 2508.09874) beside ours, where a base model is one of the paper's."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from memdec_core.downstream.downstream_table import AVERAGE
from memdec_core.scoring.system_name import label_of
from tasks.pages.compared.comparison_tables import Table, number, reported_split
from tasks.pages.markdown_page import markdown_table
from tasks.pages.report_tables import Rows, bases_of, by_key, interval

ACCURACY = "accuracy_dcpmi"
TITLE = "## The paper's numbers"
ELSEWHERE = (
    "No base model here is one of the paper's (GPT-2 on WikiText-103; Qwen2.5 and Llama-3 on "
    "biomedicine, finance and law): its numbers are of another setting and are not shown."
)
NOTE = (
    "As published, for the same base model. They compare only where corpus, split and tokens per "
    "window are the paper's too: {corpora}."
)
DOWNSTREAM_NOTE = (
    "Mean accuracy in percent over the nine downstream tasks, by DCPMI. The size of the paper's "
    "base may be another."
)


class PaperSetting(NamedTuple):
    """A base model on a corpus of the paper.

    Attributes:
        base: The base model, as its hub id ends.
        corpus: WikiText-103, biomedicine, finance or law.
        perplexity: Published perplexity by system; by the memory's size where there are several.
    """

    base: str
    corpus: str
    perplexity: Mapping[str, str]


_WIKITEXT_BASES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
_WIKITEXT = {
    "base": ("24.89", "18.29", "15.80", "14.39"),
    "rag": ("18.46", "14.01", "12.09", "11.21"),
    "knn_lm": ("15.62", "12.95", "12.21", "11.30"),
    "lora": ("18.63", "13.88", "11.77", "10.67"),
    "dapt": ("14.76", "12.78", "11.10", "10.16"),
    "memory": (
        "13.36 (124M), 12.08 (355M)",
        "12.25 (124M), 11.59 (355M)",
        "11.53 (124M), 10.92 (355M)",
        "10.93 (124M), 10.43 (355M)",
    ),
}
_DOMAINS = ("biomedicine", "finance", "law")
_DOMAIN_BASES: dict[str, dict[str, tuple[str, str, str]]] = {
    "Qwen2.5-0.5B": {
        "base": ("17.01", "16.04", "9.86"),
        "lora": ("7.02", "9.88", "5.75"),
        "memory": ("3.74", "3.87", "4.57"),
    },
    "Qwen2.5-7B": {
        "base": ("8.19", "8.61", "5.94"),
        "lora": ("4.03", "5.31", "3.81"),
        "memory": ("3.57", "3.42", "4.01"),
    },
    "Qwen2.5-72B": {
        "base": ("5.90", "6.80", "4.84"),
        "memory": ("3.44", "3.23", "3.70"),
    },
    "Meta-Llama-3-8B": {
        "base": ("7.95", "8.63", "5.96"),
        "lora": ("4.38", "5.68", "4.12"),
        "memory": ("3.92", "4.32", "4.46"),
    },
}
PERPLEXITIES = (
    *(
        PaperSetting(
            base, "WikiText-103", {system: row[place] for system, row in _WIKITEXT.items()}
        )
        for place, base in enumerate(_WIKITEXT_BASES)
    ),
    *(
        PaperSetting(base, domain, {system: row[place] for system, row in systems.items()})
        for base, systems in _DOMAIN_BASES.items()
        for place, domain in enumerate(_DOMAINS)
    ),
)
"""Llama-3's memory is Qwen's, carried over to its vocabulary."""

DOWNSTREAM_TASKS = ("sst2", "mr", "cr", "rt", "hyp", "cb", "rte", "agn", "yahoo")
DOWNSTREAM_AVERAGES = {
    "base": 67.45,
    "dapt": 60.84,
    "knn_lm": 67.24,
    "lora": 67.28,
    "memory": 69.79,
}
"""Mean accuracy over these tasks in percent, by DCPMI."""


def paper_sections(rows: Rows, corpus: str | None = None) -> list[list[str]]:
    """Ours beside the paper's, system by system; one line where the setting is not the paper's.

    Args:
        rows: The comparison's rows.
        corpus: What is known of its corpus: only this one of the paper's is shown.
    """
    settings = {base: found for base in bases_of(rows) if (found := paper_settings(base, corpus))}
    if not settings:
        return [[TITLE, "", ELSEWHERE]]
    corpora = dict.fromkeys(setting.corpus for found in settings.values() for setting in found)
    sections = [[TITLE, "", NOTE.format(corpora=", ".join(corpora))]]
    for base, found in settings.items():
        sections.append([f"### {base}", "", *markdown_table(_beside(rows, base, found))])
        averages = list(markdown_table(_averages(by_key(rows), base)))
        if averages:
            sections.append([DOWNSTREAM_NOTE, "", *averages])
    return sections


def paper_settings(base: str, corpus: str | None) -> list[PaperSetting]:
    """What the paper says of a base model, on one corpus of its or on all."""
    name = base.rpartition("/")[2].lower()
    return [
        setting
        for setting in PERPLEXITIES
        if setting.base.lower() == name and (corpus is None or _same(setting.corpus, corpus))
    ]


def _same(published: str, corpus: str) -> bool:
    """Whether two names of corpora begin alike, whatever case, dashes and endings."""
    plain = [name.lower().replace("-", "").replace("_", "") for name in (published, corpus)]
    return plain[1].startswith(plain[0])


def _beside(rows: Rows, base: str, settings: list[PaperSetting]) -> Iterator[dict[str, str]]:
    """One line per system that we or the paper measured."""
    table, split = by_key(rows), reported_split(rows)
    for system in dict.fromkeys(name for found in settings for name in found.perplexity):
        ours = table.get((system, base, split, "perplexity"))
        published = {
            f"the paper's, {found.corpus}": found.perplexity.get(system, "") for found in settings
        }
        yield {"system": label_of(system), "ours": interval(ours)} | published


def _averages(table: Table, base: str) -> Iterator[dict[str, str]]:
    """Downstream averages, where ours are over all of the paper's tasks."""
    for system, published in DOWNSTREAM_AVERAGES.items():
        ours = table.get((system, base, AVERAGE, ACCURACY))
        if ours and all((system, base, task, ACCURACY) in table for task in DOWNSTREAM_TASKS):
            shown = f"{100 * number(ours['value']):.2f}"
            yield {"system": label_of(system), "ours": shown, "the paper's": f"{published:.2f}"}
