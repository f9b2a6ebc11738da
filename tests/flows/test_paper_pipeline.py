"""The paper's pipelines, shrunk only where they must be: local models, few documents."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.build_memory import build_memory
from flows.config.config_file import load_config
from flows.planning.plan import Plan, plan_pipeline
from flows.running.run_result import RunResult
from memdec_core.models.model_loading import load_model
from storage.formats.token_shards import TokenReader
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tests.oracles.perplexity_oracle import mixture_log_prob, sliding_window_log_probs
from tests.services.command_line import ROOT
from tests.support.tiny_models import (
    tiny_model_folder,
    tiny_sentencepiece_tokenizer,
    tiny_tokenizer,
)
from tests.support.tiny_pipeline import write_documents
from tests.support.tokenizer_family import longer_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]
SMALLER = ["windows.length=64", "windows.stride=32", "targets.k=32", "training.epochs=2"]


@pytest.fixture
def documents(tmp_path: Path) -> list[str]:
    """Overrides: documents for the three splits, in place of a recipe's own."""
    splits = {"documents": "train", "valid_documents": "valid", "test_documents": "test"}
    overrides = []
    for seed, (field, split) in enumerate(splits.items()):
        path = tmp_path / f"{split}.jsonl"
        write_documents(path, 40 if split == "train" else 10, seed)
        overrides.append(f"corpus.{field}=[{path}]")
    return overrides


def run(recipe: str, store: Store, overrides: list[str]) -> tuple[RunResult, Plan]:
    config = load_config(ROOT / "deploy" / "pipelines" / recipe, [*SMALLER, *overrides])
    return build_memory(config, RunSettings(store=store.url, threads=1)), plan_pipeline(config)


def check_every_base_gains(result: RunResult, bases: int) -> None:
    rows = [row for row in result["evaluation"] if row["split"] == "test"]
    perplexities: dict[Any, Any] = {
        (row["system"], row["base"]): row["value"] for row in rows if row["metric"] == "perplexity"
    }
    names = {base for _, base in perplexities} - {None}
    assert len(names) == bases
    for name in names:
        assert perplexities["memory", name] < perplexities["base", name]
    assert perplexities["memory_alone", None]


def figures(store: Store, ref: ArtifactRef) -> Mapping[str, Any]:
    return store.require(ref).figures


@pytest.mark.long
def test_one_memory_is_put_beside_several_gpt2_models(
    tmp_path: Path, store: Store, documents: list[str]
) -> None:
    large = tiny_model_folder(tmp_path / "large", "gpt2", layers=3, width=48)
    small = tiny_model_folder(tmp_path / "small", "gpt2", layers=1, width=32)
    models = [
        f"base_model.name={large}",
        f"memory.init.name={small}",
        f"evaluation.bases=[{{name: {small}}}, {{name: {large}}}]",
    ]
    result, _ = run("wikitext103-gpt2.yaml", store, documents + models)
    check_every_base_gains(result, 2)


def test_a_memory_of_qwens_serves_padded_sizes_and_then_becomes_a_llamas(
    tmp_path: Path, store: Store, documents: list[str]
) -> None:
    def qwen(name: str, padded: int, **shape: int) -> Path:
        shape["vocab_size"] = padded
        return tiny_model_folder(tmp_path, "qwen2", name=name, tokenizer=tiny_tokenizer(), **shape)

    half, one_and_half, seven = (
        qwen("0.5B", 448, layers=1),
        qwen("1.5B", 448, width=48),
        qwen("7B", 512, width=64),
    )
    fast = "training.learning_rate=1e-2"
    models = [
        f"base_model.name={one_and_half}",
        f"memory.init.name={half}",
        f"evaluation.bases=[{{name: {half}}}, {{name: {one_and_half}}}, {{name: {seven}}}]",
    ]
    result, plan = run("qwen2.5-domain.yaml", store, [*documents, *models, fast])
    check_every_base_gains(result, 3)
    sizes = [figures(store, base) for base in plan.bases]
    assert [size["vocab_size"] for size in sizes] == [448, 448, 512]
    assert {size["tokenizer_vocab_size"] for size in sizes} == {400}
    assert figures(store, plan.tokens.ref)["vocab_size"] == 400

    llama = tiny_model_folder(
        tmp_path, "llama", tokenizer=tiny_sentencepiece_tokenizer(), vocab_size=448
    )
    memory = store.readers(plan.memory.ref)["all"].folder()
    models = [
        f"base_model.name={llama}",
        f"memory.from_memory.name={memory}",
        f"evaluation.bases=[{{name: {llama}}}]",
    ]
    result, plan = run("llama-cross-vocabulary.yaml", store, [*documents, *models, fast])
    check_every_base_gains(result, 1)
    assert figures(store, plan.stages["student"][0].ref)["vocab_size"] == 409
    assert figures(store, plan.tokens.ref)["vocab_size"] == 409
    student, trained = (
        store.require(ref).figures["parameters"]
        for ref in (plan.memory.inputs["student"], plan.memory.ref)
    )
    assert student == trained
    report = store.readers(plan.report.ref)["all"].read("report.md").decode()
    assert "rows from the same token" in report

    again, _ = run("llama-cross-vocabulary.yaml", store, [*documents, *models, fast])
    assert all(stage["reused"] for stage in again["stages"])
    assert "student" in [stage["stage"] for stage in again["stages"]]


def slow_scores(store: Store, plan: Plan, model: ArtifactRef, split: str) -> np.ndarray:
    """Float64 log-probabilities over the first 400 ids, document after document."""
    tokens = TokenReader(store.readers(plan.tokens.ref), split)
    offsets = tokens.offsets_D1.tolist()
    loaded = load_model(store.readers(model)["all"].folder())
    texts = [tokens.read(a, b).astype(np.int64) for a, b in itertools.pairwise(offsets)]
    return np.concatenate(
        [sliding_window_log_probs(loaded, text, 64, 32, 400) for text in texts if len(text) > 1]
    )


def test_a_longer_and_a_shorter_member_of_a_family_share_one_memory(
    tmp_path: Path, store: Store, documents: list[str]
) -> None:
    shorter = tiny_model_folder(
        tmp_path, "qwen2", name="qwen2", tokenizer=tiny_tokenizer(), vocab_size=448
    )
    longer = tiny_model_folder(
        tmp_path, "qwen2", name="qwen2.5", seed=1, tokenizer=longer_tokenizer(), vocab_size=512
    )
    with (tmp_path / "train.jsonl").open("a") as file:  # to learn from, not to be scored
        file.write('{"id": "call", "text": "the court <tool_3> shall <tool_3> review <tool_3>"}\n')
    models = [
        f"base_model.name={longer}",
        f"memory.init.name={longer}",
        f"evaluation.bases=[{{name: {shorter}}}, {{name: {longer}}}]",
        "training.learning_rate=1e-2",
        "evaluation.precision=float32",
    ]
    result, plan = run("qwen2.5-domain.yaml", store, [*documents, *models])
    check_every_base_gains(result, 2)
    train = TokenReader(store.readers(plan.tokens.ref), "train")
    assert int(train.read(0, train.n_tokens).max()) == 405
    values = {
        (row["system"], row["base"], row["metric"], row["split"]): row["value"]
        for row in result["evaluation"]
    }
    memory = slow_scores(store, plan, plan.memory.ref, "test")
    names = list(dict.fromkeys(base for _, base, _, _ in values if base))
    for name, model in zip(names, plan.bases, strict=True):
        base = slow_scores(store, plan, model, "test")
        alpha = values["memory", name, "alpha", "valid"]
        mixed = [mixture_log_prob(b, m, alpha) for b, m in zip(base, memory, strict=True)]
        for system, scores in (("base", base), ("memory", np.array(mixed))):
            expected = np.exp(-scores.mean())
            assert values[system, name, "perplexity", "test"] == pytest.approx(expected, rel=1e-4)
