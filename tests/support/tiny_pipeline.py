"""A whole pipeline that runs in seconds: generated documents and a very small model."""

import json
import random
from pathlib import Path

import yaml

_TEXT = """
the court shall review each claim before a judge and every party may appeal the decision
within ten days of notice unless the agreement provides for arbitration under section four
data memory token window index target model base train valid test key value store stage
"""
_WORDS = _TEXT.split()


def write_documents(path: Path, count: int, seed: int) -> None:
    """Writes `count` documents of repetitive sentences, the same for the same seed."""
    generator = random.Random(seed)
    phrases = [" ".join(generator.choices(_WORDS, k=6)) for _ in range(12)]
    records = []
    for number in range(count):
        sentences = generator.choices(phrases, k=generator.randint(4, 12))
        records.append({"id": f"doc/{seed}/{number}", "text": ". ".join(sentences) + "."})
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def write_tiny_pipeline(folder: Path) -> Path:
    """Writes documents and a pipeline over them into a new folder.

    Returns:
        The pipeline's YAML file.
    """
    folder.mkdir(parents=True)
    domain, general = folder / "domain.jsonl", folder / "general.jsonl"
    write_documents(domain, 80, seed=1)
    write_documents(general, 80, seed=2)
    config = {
        "name": "tiny",
        "corpus": {
            "documents": [str(domain)],
            "valid_fraction": 0.1,
            "test_fraction": 0.1,
            "part_characters": 8000,
        },
        "base_model": {
            "pretrain": {
                "corpus": {"documents": [str(general)]},
                "layers": 2,
                "width": 32,
                "heads": 2,
                "vocab_size": 320,
                "context_length": 64,
                "tokens": 40_000,
                "batch_tokens": 1024,
            }
        },
        "windows": {"length": 64, "stride": 48},
        "embeddings": {"shard_positions": 2500},
        "targets": {"k": 32, "tau": 8.0},
        "training": {"epochs": 2, "batch_tokens": 512},
        "evaluation": {"bootstrap_samples": 200},
        "promotion": {"min_documents": 3, "min_tokens": 100},
        "schedule": {"watch": None},  # nothing of a test happens by the clock
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path
