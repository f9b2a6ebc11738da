"""What systems are called, and the one record of every kind that tables, titles and plans read.

A role names the scores of a system among the inputs of a comparison (`base_0`, `memory_beta_0.3`,
`general:knn_lm_0`), and what was measured of a base. The strings enter fingerprints and the keys of
the UI: here alone they are put together and taken apart.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, Self

Kind = Literal[
    "base",
    "knn_lm",
    "rag",
    "dapt",
    "lora",
    "dapt_small",
    "memory",
    "memory_beta",
    "memory_datastore",
    "memory_student",
    "memory_router",
    "memory_alone",
    "memory_scores",
    "production",
    "production_scores",
    "evaluated",
    "student",
    "datastore",
    "router",
    "router_features",
    "latency",
    "audit",
    "tokens",
]
LAST = 99
"""Place of what the paper's table does not have."""


class SystemKind(NamedTuple):
    """One kind of system, or of what is measured of one.

    Attributes:
        title: What runs and pages say they are about. Where `{base}` stands in it, every base has
            one of its own; where `{variant}` does, there are several, each with a name.
        label: What tables and plots call it.
        place: Its place in the paper's table, and in ours.
        scored: How scores of its own are compared: in the base's place, mixed with the base under
            one of several settings, or mixed as they are. None where it has none.
        downstream: Whether a comparison classifies downstream tasks with it.
        named: Labels of the variants that have a place; the others come last.
    """

    title: str
    label: str = ""
    place: int = LAST
    scored: Literal["in place", "under settings", "mixed"] | None = None
    downstream: bool = False
    named: Mapping[str, str] = {}

    @property
    def has_bases(self) -> bool:
        """Whether every base has one of its own."""
        return "{base}" in self.title

    @property
    def has_variants(self) -> bool:
        """Whether there are several, told apart by names."""
        return "{variant}" in self.title


KINDS: dict[Kind, SystemKind] = {
    "base": SystemKind("{base}", "base", 0, "in place", downstream=True),
    "knn_lm": SystemKind("kNN-LM on {base}", "kNN-LM", 2, "under settings", downstream=True),
    "rag": SystemKind("in-context retrieval on {base}", "in-context retrieval", 1, "in place"),
    "dapt": SystemKind("DAPT on {base}", "DAPT", 4, "in place", downstream=True),
    "lora": SystemKind("LoRA on {base}", "LoRA", 3, "in place", downstream=True),
    "dapt_small": SystemKind(
        "DAPT of the student", "+ DAPT of the student", 5, "mixed", downstream=True
    ),
    "memory": SystemKind("the memory", "+ memory", 6, "mixed", downstream=True),
    "memory_beta": SystemKind(
        "the memory with β = {variant}",
        "+ memory, β = {variant}",
        8,
        "mixed",
        named={"1": "+ memory, KL only", "0": "+ memory, cross-entropy only"},
    ),
    "memory_datastore": SystemKind(
        "the memory of datastore {variant}", "+ memory, datastore of {variant}", scored="mixed"
    ),
    "memory_student": SystemKind(
        "the memory of student {variant}", "+ memory, student {variant}", scored="mixed"
    ),
    "memory_router": SystemKind("the memory with an adaptive α", "+ memory, adaptive α", 7),
    "memory_alone": SystemKind("the memory alone", "memory alone"),
    "memory_scores": SystemKind("the memory"),
    "production": SystemKind("the memory in production"),
    "production_scores": SystemKind("the memory in production"),
    "evaluated": SystemKind("{base}"),
    "student": SystemKind("student {variant}"),
    "datastore": SystemKind("datastore {variant}"),
    "router": SystemKind("{base}"),
    "router_features": SystemKind("{base}"),
    "latency": SystemKind("{base}"),
    "audit": SystemKind("{base}"),
    "tokens": SystemKind("the tokens"),
}
"""In the order of a comparison's rows."""

_NUMBER = re.compile(r"_(0|[1-9]\d*)")
_VARIANT = re.compile(r"_([^_:]+)")


class SystemName(NamedTuple):
    """A system, or what is measured of one.

    Attributes:
        kind: What it is.
        base: Number of the base it is made from, where every base has one; None there stands for
            the same on any base.
        variant: Which of several: a β, or the name of a student or datastore.
        corpus: Where it is measured, if not on the domain.
    """

    kind: Kind
    base: int | None = None
    variant: str = ""
    corpus: str = ""

    @classmethod
    def parse(cls, role: str) -> Self | None:
        """Takes a role apart; None if it is no system's."""
        corpus, _, own = role.rpartition(":")
        for kind, record in KINDS.items():
            rest = own.removeprefix(kind) if own.startswith(kind) else None
            if rest == "" and not record.has_variants:
                return cls(kind, corpus=corpus)
            if rest and record.has_bases and (number := _NUMBER.fullmatch(rest)):
                return cls(kind, int(number[1]), corpus=corpus)
            if rest and record.has_variants and (variant := _VARIANT.fullmatch(rest)):
                return cls(kind, variant=variant[1], corpus=corpus)
        return None

    @classmethod
    def among(cls, roles: Iterable[str], *kinds: Kind) -> list[Self]:
        """The systems of some kinds, or of all, among roles and in their order."""
        found = map(cls.parse, roles)
        return [name for name in found if name and (not kinds or name.kind in kinds)]

    @classmethod
    def of_job(cls, name: str) -> Self | None:
        """What a job's name is about, if it is about a system: `general_base_0` is."""
        parts = name.split("_")
        for cut in range(len(parts)):
            if found := cls.parse("_".join(parts[cut:])):
                return found.on("_".join(parts[:cut]))
        return None

    @property
    def system(self) -> str:
        """Its name in tables, the same on every base: `knn_lm`, `memory_beta_0.3`."""
        return f"{self.kind}_{self.variant}" if self.variant else self.kind

    @property
    def role(self) -> str:
        """Its name among the inputs of a comparison: `knn_lm_0`, `general:memory_beta_0.3`."""
        own = self.system if self.base is None else f"{self.system}_{self.base}"
        return f"{self.corpus}:{own}" if self.corpus else own

    @property
    def choices(self) -> str:
        """The role of its scores of the choices of downstream tasks."""
        return f"choices_{self.role}"

    @property
    def job(self) -> str:
        """The name, or the beginning of the names, of the jobs that make it."""
        return self.role.replace(":", "_")

    @property
    def label(self) -> str:
        """What tables and plots call it."""
        record = KINDS[self.kind]
        return record.named.get(self.variant, record.label.format(variant=self.variant))

    @property
    def title(self) -> str:
        """What it is in a sentence: `kNN-LM on base 1`, `the memory on general`."""
        base = "the base" if self.base is None else f"base {self.base + 1}"
        said = KINDS[self.kind].title.format(base=base, variant=self.variant.replace("_", " "))
        return f"{said} on {self.corpus.replace('_', ' ')}" if self.corpus else said

    def on(self, corpus: str) -> Self:
        """The same on another corpus."""
        return self._replace(corpus=corpus)


def label_of(system: str) -> str:
    """What tables and plots call a system, by its name in tables."""
    name = SystemName.parse(system)
    return (name and name.label) or system.replace("_", " ")


def table_order(system: str) -> tuple[int, str]:
    """What tables sort systems by: the paper's table, then their names."""
    name = SystemName.parse(system)
    if name is None:
        return LAST, system
    record = KINDS[name.kind]
    placed = not record.has_variants or name.variant in record.named
    return record.place if placed else LAST, system
