"""The sentences follow from the rows: directions, doubts and overlaps of hand-made intervals."""

from pydantic import JsonValue

from tasks.pages.compared.comparison_summary import OVERLAP_NOTE, change, summary
from tests.support.comparison_rows import measured, row


def said(*rows: list[dict[str, JsonValue]]) -> str:
    return "\n".join(summary([entry for part in rows for entry in part]))


def test_systems_are_sorted_by_what_their_whole_interval_says() -> None:
    ratios = {"rag": 1.02, "knn_lm": 0.7, "lora": 1.2, "dapt": 0.96, "memory": 0.5}
    assert said(measured("gpt2", 40.0, ratios)).splitlines() == [
        "- **gpt2** has a test perplexity of 40.00: lower with kNN-LM -30.0 % (-35.0 to -25.0), "
        "+ memory -50.0 % (-55.0 to -45.0); higher with LoRA +20.0 % (+15.0 to +25.0); not clearly "
        "different with in-context retrieval +2.0 % (-3.0 to +7.0), DAPT -4.0 % (-9.0 to +1.0).",
        "- Base and memory together are better than the base on 1 of 1.",
    ]


def test_bases_that_the_memory_does_not_help_are_named() -> None:
    rows = [
        measured("clear", 40.0, {"memory": 0.5}),
        measured("doubtful", 40.0, {"memory": 0.97}),
        measured("worse", 40.0, {"memory": 1.1}),
    ]
    assert (
        "- Base and memory together are better than the base on 2 of 3, not on worse; within the "
        "uncertainty on doubtful."
    ) in said(*rows)


def test_both_losses_are_held_against_either_one() -> None:
    ratios = {"memory": 0.5, "memory_beta_0": 0.502, "memory_beta_1": 0.4}
    assert (
        "- Both losses together give **gpt2** 20.00 (19.95 – 20.05): higher than KL only with "
        "16.00 (15.95 – 16.05), intervals apart; lower than cross-entropy only with "
        "20.08 (20.03 – 20.13), intervals overlap."
    ) in said(measured("gpt2", 40.0, ratios))
    assert "memory_beta" not in said(measured("gpt2", 40.0, ratios))


def test_forgetting_is_held_against_dapt_and_lora() -> None:
    domain = measured("gpt2", 40.0, {"memory": 0.5, "dapt": 0.5, "lora": 0.6})
    general = measured("gpt2", 30.0, {"memory": 1.1, "dapt": 1.3, "lora": 1.05}, "general")
    assert (
        "- On general, perplexity changes: **gpt2** with the memory +10.0 % (+5.0 to +15.0), "
        "better than DAPT with +30.0 % (+25.0 to +35.0), intervals apart, worse than LoRA with "
        "+5.0 % (+0.0 to +10.0), intervals overlap."
    ) in said(domain, general)
    assert OVERLAP_NOTE in said(domain, general)
    assert OVERLAP_NOTE not in said(domain)


def test_too_little_text_is_said() -> None:
    ratio = row("memory", "gpt2", "test", "perplexity_ratio", 0.5)
    assert change(ratio) == "-50.0 % (too little text for an interval)"
    assert "not clearly different with + memory -50.0 % (too little" in said(
        [row("base", "gpt2", "test", "perplexity", 40.0), ratio]
    )
