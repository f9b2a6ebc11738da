"""The names of the stages, and of a text."""

from typing import Literal

StageName = Literal[
    "corpus",
    "base_model",
    "student",
    "tokens",
    "embeddings",
    "index",
    "targets",
    "memory",
    "scores",
    "evaluation",
    "report",
]
"""Stages of a pipeline, in order; `student` is one only where a memory changes its tokenizer."""

ComparedStage = Literal[
    "adapted_model",
    "choice_scores",
    "latency",
    "memorisation_audit",
    "router_features",
    "alpha_router",
    "comparison",
    "domains",
]
"""Stages that only a comparison has, and the one that joins several."""

AnyStage = Literal[StageName, ComparedStage, "promotion_gate"]
"""The gate follows a finished run."""

PREVIOUS_TEXT = "previous_text"
"""To the gate, the text that production was built with; no other corpus can have this name."""
