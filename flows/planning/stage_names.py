"""The stages, and the versions of what they leave."""

from tasks.jobs.stage_kinds import AnyStage, StageName

__all__ = ["FORMAT_VERSIONS", "AnyStage", "StageName"]

FORMAT_VERSIONS: dict[AnyStage, int] = {
    "corpus": 2,
    "base_model": 1,
    "student": 1,
    "tokens": 1,
    "embeddings": 1,
    "index": 2,
    "targets": 1,
    "memory": 1,
    "adapted_model": 1,
    "scores": 1,
    "choice_scores": 1,
    "latency": 1,
    "memorisation_audit": 1,
    "router_features": 1,
    "alpha_router": 1,
    "evaluation": 2,
    "report": 1,
    "promotion_gate": 1,
    "comparison": 2,
    "domains": 1,
}
"""Raised when a stage's output for the same configuration and inputs changes."""
