"""The paper's own results (arXiv 2508.09874), by system as the comparison names them."""

from collections.abc import Mapping
from typing import NamedTuple


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
