"""`memdec compare` end to end on a tiny pipeline."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.store.artifact_store import Store
from tests.services.command_line import memdec_json
from tests.support.described_files import undescribed

pytestmark = pytest.mark.slow
TRAINING = {"epochs": 1, "batch_tokens": 512}
COMPARISON = {
    "dapt": TRAINING,
    "lora": TRAINING,
    "retrieval": {"passage_tokens": 16, "query_tokens": 8},
    "router": {"hidden_units": 4},
    "audit": {"spans": 5, "prompt_tokens": 16, "continuation_tokens": 8},
    "latency": {"contexts": [8], "datastore_rows": [500], "new_tokens": 4, "repeats": 1},
}
SYSTEMS = {
    *("base", "knn_lm", "rag", "dapt", "lora"),
    *("dapt_small", "memory", "memory_beta_0", "memory_beta_1", "memory_router"),
}


CLASSIFYING = SYSTEMS - {"rag", "memory_beta_0", "memory_beta_1", "memory_router"}
AUDITED = {"base", "memory_alone", "memory"}


def write_task(path: Path) -> str:
    """Sentences of a court that are great or terrible in turn."""
    records = [
        {"id": str(number), "text": f"the court shall review claim {number}", "label": number % 2}
        for number in range(16)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def perplexities(result: Mapping[str, Any], split: str = "test") -> dict[tuple[str, str], float]:
    return {
        (row["system"], row["base"]): row["value"]
        for row in result["evaluation"]
        if (row["split"], row["metric"]) == (split, "perplexity")
    }


def built(result: Mapping[str, Any]) -> list[str]:
    return [stage["stage"] for stage in result["stages"] if not stage["reused"]]


def compare_everything(pipeline: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Compares every system on a base, in a store beside the pipeline."""
    config = yaml.safe_load(pipeline.read_text())
    config["training"]["epochs"] = 1
    task = write_task(pipeline.parent / "sst2.jsonl")
    config["comparison"] = COMPARISON | {
        "elsewhere": {"general": config["base_model"]["pretrain"]["corpus"]},
        "downstream": {"tasks": {"sst2": task}},
    }
    pipeline.write_text(yaml.safe_dump(config))
    return memdec_json("compare", pipeline, "--store", pipeline.parent / "store", env=environment)


def test_systems_are_compared(tiny_pipeline: Path, prefect_environment: Mapping[str, str]) -> None:
    first = compare_everything(tiny_pipeline, prefect_environment)
    found = perplexities(first)
    assert {system for system, _ in found} == SYSTEMS
    (base,) = {name for _, name in found}
    assert all(found[system, base] <= found["base", base] for system in SYSTEMS - {"rag"})
    elsewhere = perplexities(first, "general")
    assert {system for system, _ in elsewhere} == SYSTEMS - {"rag"}
    assert elsewhere["memory", base] > found["memory", base]
    measured = {(row["system"], row["metric"]) for row in first["evaluation"]}
    assert {system for system, metric in measured if metric == "accuracy_dcpmi"} == CLASSIFYING
    assert {system for system, metric in measured if metric == "verbatim_share"} == AUDITED
    assert undescribed(Store.open(str(tiny_pipeline.parent / "store"))) == []


@pytest.mark.long
def test_a_further_base_costs_its_own_share_and_pipelines_are_joined(
    tiny_pipeline: Path, prefect_environment: Mapping[str, str]
) -> None:
    found = perplexities(compare_everything(tiny_pipeline, prefect_environment))
    (base,) = {name for _, name in found}
    config = yaml.safe_load(tiny_pipeline.read_text())
    pretrain = config["base_model"]["pretrain"]
    config["evaluation"]["bases"] = [{"pretrain": pretrain}, {"pretrain": pretrain | {"width": 48}}]
    tiny_pipeline.write_text(yaml.safe_dump(config))
    store = ("--store", tiny_pipeline.parent / "store")
    second = memdec_json("compare", tiny_pipeline, *store, env=prefect_environment)
    wider = perplexities(second)
    assert {pair: value for pair, value in wider.items() if pair[1] == base} == found
    assert sorted(built(second)) == sorted(
        [
            *("base_model", "embeddings", "index", "adapted_model", "adapted_model"),
            *["scores"] * 9,
            *["choice_scores"] * 4,
            *("latency", "memorisation_audit"),
            *("router_features", "router_features", "alpha_router"),
            *("evaluation", "report", "comparison"),
        ]
    )

    other = tiny_pipeline.with_name("other.yaml")
    other.write_text(yaml.safe_dump(config | {"name": "other"}))
    both = memdec_json("compare", tiny_pipeline, other, *store, env=prefect_environment)
    assert [built(comparison) for comparison in both["comparisons"]] == [[], []]
    assert built(both["domains"]) == ["domains"]
    for corpus in ("tiny", "other"):
        rows = [row for row in both["domains"]["evaluation"] if row["corpus"] == corpus]
        assert perplexities({"evaluation": rows}) == wider
