"""The labels of the downstream data sets, in their own order, under all their names."""

LABEL_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("sst2", "mr", "cr", "rt"), (("negative",), ("positive",))),
    "hyp": (("neutral", "false"), ("partisan", "true")),
    "cb": (("entailment", "true"), ("contradiction", "false"), ("neutral", "neither")),
    "rte": (("entailment", "true"), ("not_entailment", "false")),
    "agn": (("world",), ("sports",), ("business",), ("science", "sci/tech")),
    "yahoo": (
        ("society", "society & culture"),
        ("science", "science & mathematics"),
        ("health",),
        ("education", "education & reference"),
        ("computer", "computers & internet"),
        ("sports",),
        ("business", "business & finance"),
        ("entertainment", "entertainment & music"),
        ("family", "family & relationships"),
        ("politics", "politics & government"),
    ),
}
"""Names of each label, in small letters, the usual one first."""


def label_number(dataset: str, value: object) -> int | None:
    """The label that a value means, None when it means none.

    Args:
        dataset: Name of the data set.
        value: A label's number (as an integer or in digits), one of its names, or a truth value.
    """
    words = LABEL_NAMES[dataset]
    if isinstance(value, str):
        name = value.strip().lower()
        found = [number for number, names in enumerate(words) if name in names]
        if found:
            return found[0]
        value = int(name) if name.isdecimal() else None
    if not isinstance(value, int) or not 0 <= value < len(words):
        return None
    return int(value)


def describe_labels(dataset: str) -> str:
    """A data set's labels for messages: number and usual name."""
    return ", ".join(f"{number} {names[0]}" for number, names in enumerate(LABEL_NAMES[dataset]))
