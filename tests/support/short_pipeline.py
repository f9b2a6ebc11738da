"""A pipeline over a ready-made base model: about a second per stage, when nothing is imported."""

from pathlib import Path
from typing import Any

from flows.config.pipeline_config import PipelineConfig
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tests.support.tiny_models import tiny_model_folder
from tests.support.tiny_pipeline import write_documents


def short_pipeline(folder: Path, epochs: int = 2) -> PipelineConfig:
    """Writes documents and a model into a new folder; several shards per stage that has shards."""
    folder.mkdir(parents=True)
    documents = folder / "documents.jsonl"
    write_documents(documents, 80, seed=1)
    base = tiny_model_folder(folder, name="base", context_length=64)
    return PipelineConfig.model_validate(
        {
            "name": "short",
            "corpus": {
                "documents": [str(documents)],
                "valid_fraction": 0.15,
                "test_fraction": 0.15,
                "part_characters": 4000,
            },
            "base_model": {"name": str(base)},
            "windows": {"length": 64, "stride": 48},
            "tokens": {"separator": "none"},
            "embeddings": {"shard_positions": 2000},
            "targets": {"k": 16, "gate_sample": 50},
            "training": {"epochs": epochs, "batch_tokens": 512},
            "evaluation": {"bootstrap_samples": 200},
        }
    )


def build_parameters(config: PipelineConfig, store: Store) -> dict[str, Any]:
    """Parameters of `build_memory` as a deployment takes them; two shards at a time."""
    settings = RunSettings(store=store.url, workers=2, threads=1)
    return {
        "config": config.model_dump(mode="json", exclude_unset=True),
        "settings": settings.model_dump(mode="json"),
    }
