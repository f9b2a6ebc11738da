"""The paper's GPT-2 pipeline, shrunk only where it must be: local models, few documents."""

from pathlib import Path

import pytest

from flows.build_memory import build_memory
from flows.config_file import load_config
from tasks.run_settings import RunSettings
from tests.command_line import ROOT
from tests.tiny_models import tiny_model_folder
from tests.tiny_pipeline import write_documents

pytestmark = pytest.mark.slow
SMALLER = ["windows.length=64", "windows.stride=32", "targets.k=32", "training.epochs=2"]


def test_one_memory_is_put_beside_several_gpt2_models(tmp_path: Path, prefect_server: None) -> None:
    large = tiny_model_folder(tmp_path / "large", "gpt2", layers=3, width=48)
    small = tiny_model_folder(tmp_path / "small", "gpt2", layers=1, width=32)
    splits = {"documents": "train", "valid_documents": "valid", "test_documents": "test"}
    overrides = [*SMALLER, f"base_model.name={large}", f"memory.init.name={small}"]
    for seed, (field, split) in enumerate(splits.items()):
        path = tmp_path / f"{split}.jsonl"
        write_documents(path, 40 if split == "train" else 10, seed)
        overrides.append(f"corpus.{field}=[{path}]")
    overrides.append(f"evaluation.bases=[{{name: {small}}}, {{name: {large}}}]")
    config = load_config(ROOT / "deploy" / "pipelines" / "wikitext103-gpt2.yaml", overrides)

    result = build_memory(config, RunSettings(store=str(tmp_path / "store"), threads=1))

    rows = [row for row in result["evaluation"] if row["split"] == "test"]
    perplexities = {
        (row["system"], row["base"]): row["value"] for row in rows if row["metric"] == "perplexity"
    }
    bases = {base for _, base in perplexities} - {None}
    assert len(bases) == 2
    for base in bases:
        assert perplexities["memory", base] < perplexities["base", base]
    assert perplexities["memory_alone", None]
