"""A tiny pipeline that has run and was compared; its bases have a chat template."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.services.command_line import memdec_json
from tests.support.tiny_pipeline import write_documents

COMPARISON = {
    "baselines": [],
    "betas": [],
    "latency": None,
    "router": {},
    "audit": {"spans": 5, "prompt_tokens": 16, "continuation_tokens": 8},
}


class TinyRun(NamedTuple):
    """Where the pipeline's configuration, its store and its first base model are."""

    pipeline: Path
    store: Path
    base: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "TinyRun":
        """What `run_tiny_pipeline` made there."""
        return cls(folder / "tiny.yaml", folder / "store", folder / "tiny-gpt2-1")


def run_tiny_pipeline(folder: Path, environment: Mapping[str, str]) -> TinyRun:
    """Builds a pipeline of the name `tiny` with two bases, and compares it.

    Args:
        folder: New; everything goes there.
        environment: Of the command.
    """
    from tests.support.tiny_models import (  # slow to import
        CHAT_TEMPLATE,
        tiny_model_folder,
        tiny_tokenizer,
    )

    folder.mkdir(parents=True)
    write_documents(folder / "domain.jsonl", 40, seed=1)
    write_documents(folder / "general.jsonl", 40, seed=2)
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    bases = [
        tiny_model_folder(folder, kind, seed=seed, tokenizer=tokenizer)
        for kind, seed in (("gpt2", 1), ("qwen2", 2))
    ]
    first, second = ({"name": str(base)} for base in bases)
    config = {
        "name": "tiny",
        "corpus": {
            "documents": [str(folder / "domain.jsonl")],
            "valid_fraction": 0.2,
            "test_fraction": 0.2,
            "license": "cc-by-4.0",
            "language": "en",
        },
        "base_model": first | {"license": "apache-2.0"},
        "windows": {"length": 64, "stride": 48},
        "targets": {"k": 16, "tau": 8.0},
        "training": {"epochs": 1, "batch_tokens": 512, "learning_rate": 0.003},
        "evaluation": {"bootstrap_samples": 100, "bases": [first, second]},
        "promotion": {"min_documents": 1, "min_tokens": 1},
        "schedule": {"watch": None},  # nothing of a test happens by the clock
        "comparison": COMPARISON
        | {"elsewhere": {"general": {"documents": [str(folder / "general.jsonl")]}}},
    }
    pipeline = folder / "tiny.yaml"
    pipeline.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    for command in ("run", "compare"):
        memdec_json(command, pipeline, "--store", folder / "store", env=environment)
    return TinyRun.in_folder(folder)
