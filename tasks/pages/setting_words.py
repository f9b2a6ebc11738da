"""Settings of a job beside what they mean, as their configuration classes describe them."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, JsonValue

from memdec_core.decoding.decoding_config import AuditConfig, LatencyConfig
from memdec_core.downstream.downstream_config import DownstreamConfig
from memdec_core.models.models_config import (
    EmbeddingsConfig,
    FromMemoryConfig,
    PretrainConfig,
    VocabularyConfig,
)
from memdec_core.router.alpha_router_config import AlphaRouterConfig
from memdec_core.scoring.scoring_config import EvaluationConfig, ScoringConfig
from memdec_core.search.index_config import IndexConfig
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.targets.targets_config import TargetsConfig
from memdec_core.text.text_config import CorpusConfig, TokensConfig
from memdec_core.training.training_config import LoraConfig, MemoryTrainingConfig
from memdec_core.windows.windows import WindowConfig

_SECTIONS: dict[str, type[BaseModel]] = {
    "corpus": CorpusConfig,
    "pretrain": PretrainConfig,
    "student": FromMemoryConfig,
    "tokens": TokensConfig,
    "windows": WindowConfig,
    "embeddings": EmbeddingsConfig,
    "index": IndexConfig,
    "targets": TargetsConfig,
    "training": MemoryTrainingConfig,
    "adaptation": LoraConfig,
    "scoring": ScoringConfig,
    "vocabulary": VocabularyConfig,
    "evaluation": EvaluationConfig,
    "alpha": EvaluationConfig,
    "retrieval": RetrievalConfig,
    "latency": LatencyConfig,
    "audit": AuditConfig,
    "downstream": DownstreamConfig,
    "alpha_router": AlphaRouterConfig,
}
"""By the section's name in a job's configuration."""

_HASHED = {
    "contents": "Files by split, with the hash of what is in them.",
    "valid_share": "Share of the documents in `valid`.",
    "test_share": "Share of the documents in `test`.",
}
"""What stands in an identity in place of a setting that names paths."""


def described(config: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue, str]]:
    """Settings by dotted name, each with its value and what it means, where that is known."""
    for name, value in config.items():
        if name in _SECTIONS and isinstance(value, Mapping):
            fields = _SECTIONS[name].model_fields
            for key, inner in value.items():
                meaning = fields[key].description if key in fields else None
                yield f"{name}.{key}", inner, meaning or _HASHED.get(key, "")
        elif isinstance(value, Mapping) and name != "contents":
            for key, inner, meaning in described(value):
                yield f"{name}.{key}", inner, meaning
        else:
            field = CorpusConfig.model_fields.get(name)
            known = None if field is None else field.description
            yield name, value, known or _HASHED.get(name, "")
