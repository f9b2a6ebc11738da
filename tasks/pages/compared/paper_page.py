"""The paper's numbers beside ours, where a base model is one of the paper's."""

from collections.abc import Iterator

from memdec_core.downstream.downstream_table import AVERAGE
from tasks.pages.compared.comparison_tables import (
    Table,
    label_of,
    markdown_table,
    number,
    reported_split,
)
from tasks.pages.compared.paper_numbers import (
    DOWNSTREAM_AVERAGES,
    DOWNSTREAM_TASKS,
    PERPLEXITIES,
    PaperSetting,
)
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


def paper_sections(rows: Rows, corpus: str | None = None) -> list[list[str]]:
    """Ours beside the paper's, system by system; one line where the setting is not the paper's.

    Args:
        rows: The comparison's rows.
        corpus: What is known of its corpus: only this one of the paper's is shown.
    """
    settings = {base: found for base in bases_of(rows) if (found := settings_of(base, corpus))}
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


def settings_of(base: str, corpus: str | None) -> list[PaperSetting]:
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
        yield {"system": label_of(system), "ours": interval(ours) if ours else ""} | published


def _averages(table: Table, base: str) -> Iterator[dict[str, str]]:
    """Downstream averages, where ours are over all of the paper's tasks."""
    for system, published in DOWNSTREAM_AVERAGES.items():
        ours = table.get((system, base, AVERAGE, ACCURACY))
        if ours and all((system, base, task, ACCURACY) in table for task in DOWNSTREAM_TASKS):
            shown = f"{100 * number(ours['value']):.2f}"
            yield {"system": label_of(system), "ours": shown, "the paper's": f"{published:.2f}"}
