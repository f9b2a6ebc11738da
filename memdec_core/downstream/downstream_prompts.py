"""What a model is asked: which records of each downstream dataset, and with which words.

Which records are used, which of them tune and which are reported is decided by hashes of their
ids: neither their order nor how many there are moves one from one half to the other.

Prompts, domain premises and verbalizers are those of kNN-Prompt (Shi et al. 2022), which the paper
follows; cb and rte are worded as in Holtzman et al. (2021), whose prompts it took over, without the
doubled space of its rte. Spaces and line ends count: every string that is scored begins with a
space.
"""

import heapq
from collections.abc import Mapping, Sequence
from hashlib import sha256
from string import Formatter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.downstream.downstream_config import DatasetName


def sample_records(record_ids: Sequence[str], most: int | None, seed: int) -> NDArray[np.int64]:
    """Draws records.

    Args:
        record_ids: All records' ids, each once.
        most: How many to draw; None for all.
        seed: Of the draw.

    Returns:
        Indices of those drawn, in order; int64.
    """
    if most is None or most >= len(record_ids):
        return np.arange(len(record_ids))
    drawn = heapq.nsmallest(
        most,
        range(len(record_ids)),
        key=lambda number: _digest(f"sample {seed}", record_ids[number]),
    )
    return np.array(sorted(drawn), np.int64)


def tuning_half(record_ids: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each record belongs to the half that weights are tuned on; else it is reported."""
    return np.array([_digest("half", each)[0] % 2 == 0 for each in record_ids], np.bool_)


def _digest(purpose: str, record_id: str) -> bytes:
    return sha256(f"{purpose}\0{record_id}".encode()).digest()


Strings = tuple[tuple[str, ...], ...]
"""Strings that stand for each label, by label."""


class DatasetPrompt(NamedTuple):
    """How a dataset is put to a language model.

    Attributes:
        templates: Prompts with the names of a record's fields; the first whose fields the record
            has is taken.
        domain_premise: What precedes the choices when nothing is known but the domain.
        verbalizers: Strings that stand for each label, where no file gives others.
    """

    templates: tuple[str, ...]
    domain_premise: str
    verbalizers: Strings


_TRUE = (" true", " yes", " accurate", " correct", " faithful")
_FALSE = (" false", " no", " incorrect", " wrong", " untrue", " unfaithful")
_REVIEW = DatasetPrompt(("{text} It was",), " It was", ((" terrible",), (" great",)))

DATASET_PROMPTS: dict[DatasetName, DatasetPrompt] = {
    "sst2": _REVIEW,
    "mr": _REVIEW,
    "cr": _REVIEW._replace(verbalizers=((" negative",), (" positive",))),
    "rt": _REVIEW,
    "hyp": DatasetPrompt(
        ("{text}\n neutral or partisan? Answer:",),
        "\n neutral or partisan? Answer:",
        ((" neutral", " fair", " objective"), (" partisan", " biased", " unfair")),
    ),
    "cb": DatasetPrompt(
        (' question: Given that "{premise}" Is "{hypothesis}" true, false, or neither?\n answer:',),
        " the answer is:",
        (_TRUE, _FALSE, (" neither",)),
    ),
    "rte": DatasetPrompt(
        (" {premise}\n question: {hypothesis} true or false?\n answer:",),
        " true or false?\n answer:",
        (_TRUE, _FALSE),
    ),
    "agn": DatasetPrompt(
        ("{title} \n {text} topic:", "{text} topic:"),
        " topic:",
        ((" world",), (" sports",), (" business",), (" science",)),
    ),
    "yahoo": DatasetPrompt(
        ("title: {title} content: {content} answer: {answer} topic:", "{text} topic:"),
        " topic:",
        (
            *((" society",), (" science",), (" health",), (" education",), (" computer",)),
            *((" sports",), (" business",), (" entertainment",), (" family",), (" politics",)),
        ),
    ),
}
"""In the order of the paper's table."""


def prompt_text(dataset: DatasetName, fields: Mapping[str, str]) -> str:
    """A record as a prompt.

    Args:
        dataset: Its dataset.
        fields: Its texts: `text` (and `title`), `premise` and `hypothesis`, or `title`, `content`
            and `answer`.
    """
    for template in DATASET_PROMPTS[dataset].templates:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        if names <= fields.keys():
            return template.format_map(fields)
    raise AssertionError(f"a record of {dataset} has only {', '.join(fields)}")
