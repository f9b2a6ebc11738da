"""The whole pipeline, run by the command against a real Prefect server."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.running.announced_decision import PROMOTED_EVENT
from flows.server.console import EXIT_KEPT_BACK
from tests.services.command_line import memdec, memdec_json
from tests.services.published import events_of, newest_page
from tests.services.running_services import comes_true

pytestmark = pytest.mark.slow
NAME = "released"  # of its own: other tests release on the same server
ORDER = [
    "corpus",
    "corpus",
    "base_model",
    "tokens",
    "embeddings",
    "index",
    "targets",
    "memory",
    "scores",
    "scores",
    "evaluation",
    "report",
    "promotion_gate",
]
CHANGE = ("--set", "training.beta=0.3")
AFTER_TRAINING = ["memory", "scores", "evaluation", "report"]


def perplexity(result: Mapping[str, Any], system: str) -> float:
    rows = [
        row
        for row in result["evaluation"]
        if (row["system"], row["split"], row["metric"]) == (system, "test", "perplexity")
    ]
    assert len(rows) == 1
    assert rows[0]["ci_low"] <= rows[0]["value"] <= rows[0]["ci_high"]
    return float(rows[0]["value"])


def built(result: Mapping[str, Any]) -> list[str]:
    return [stage["stage"] for stage in result["stages"] if not stage["reused"]]


def check_explanation(explained: Mapping[str, Any], pipeline: Path) -> None:
    """The neighbours shown carry the token, in texts of the corpus."""
    lines = (pipeline.parent / "domain.jsonl").read_text(encoding="utf-8").splitlines()
    sources = {record["id"]: record["text"] for record in map(json.loads, lines)}
    assert explained["explained"]["p_mem"] == max(each["p_mem"] for each in explained["tokens"])
    assert explained["k"] == 32
    assert 1 <= len(explained["neighbours"]) <= min(3, explained["carriers"])
    for neighbour in explained["neighbours"]:
        source = sources[neighbour["document"]][: neighbour["character_offset"]]
        assert source.endswith(neighbour["before"])
        assert neighbour["token"] == explained["explained"]["text"]
    shown = sum(neighbour["weight"] for neighbour in explained["neighbours"])
    assert shown <= explained["explained"]["p_knn"] + 1e-9


def check_releases(
    first: Mapping[str, Any],
    changed: Mapping[str, Any],
    *arguments: str | Path,
    env: Mapping[str, str],
) -> None:
    """The first build is in production, the second by hand only, and each can come back."""
    memories = [
        f"memory/{stage['fingerprint'][:12]}"
        for result in (first, changed)
        for stage in result["stages"]
        if stage["stage"] == "memory"
    ]

    def in_production() -> str:
        rows = memdec_json("history", *arguments)["decisions"]
        (current,) = (row["memory"] for row in rows if row["in_production"])
        return str(current)

    def announced() -> tuple[bool, list[str]]:
        """Whether the UI names what is in production, and what events said that it became."""
        url = {PREFECT_API_URL: env["PREFECT_API_URL"]}
        with temporary_settings(url), get_client(sync_client=True) as client:
            page = newest_page(client, f"{NAME}-release")
            events = events_of(client, PROMOTED_EVENT, NAME)
        told = [str(event.payload["memory"]) for event in sorted(events, key=lambda e: e.occurred)]
        return f"In production: `{in_production()}`" in page, told

    assert changed["promotion"]["outcome"] == "kept_back", "a smaller share of KL is worse here"
    assert in_production() == memories[0]
    memdec_json("promote", *arguments, "--why", "to try it", env=env)
    assert in_production() == memories[1]
    assert comes_true(lambda: announced() == (True, memories), 120), announced()
    memdec_json("rollback", *arguments, env=env)
    assert in_production() == memories[0]
    again = memdec_json("run", *arguments, *CHANGE, env=env, status=EXIT_KEPT_BACK)
    assert built(again) == []
    assert "has rolled it back (by hand)" in again["promotion"]["why"]
    assert in_production() == memories[0], "a decision of a person stands"
    assert comes_true(lambda: announced() == (True, [*memories, memories[0]]), 120), announced()
    nobody = {**env, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    promoted = memdec("promote", *arguments, env=nobody)
    assert promoted.returncode == 0
    assert "no Prefect server answers there" in promoted.stderr
    rows = memdec_json("history", *arguments)["decisions"]
    actions = [row["action"] for row in rows]
    assert actions == [
        "promoted", "kept_back", "promoted", "rolled_back", "kept_back", "promoted",
    ]  # fmt: skip
    assert "ratio to production" in rows[1]["why"]
    assert [rows[place]["why"] for place in (2, 3, 5)] == ["to try it", "by hand", "by hand"]


def check_damage_is_found(store: Path, environment: Mapping[str, str]) -> None:
    """One flipped bit is reported, with its stage and file."""
    victim = next(store.glob("artifacts/tokens/*/*/train-00000/tokens.npy"))
    content = bytearray(victim.read_bytes())
    content[-5] ^= 1
    victim.write_bytes(content)
    damaged = memdec("artifacts", "verify", "--json", "--store", store, env=environment)
    assert damaged.returncode == 1
    assert [each["stage"] for each in json.loads(damaged.stdout)["damaged"]] == ["tokens"]
    assert "train-00000/tokens.npy" in damaged.stdout


def test_a_pipeline_is_built_reused_changed_and_used(
    tiny_pipeline: Path, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    config = yaml.safe_load(tiny_pipeline.read_text())
    tiny_pipeline.write_text(yaml.safe_dump(config | {"name": NAME}))
    store = ("--store", tmp_path / "store")
    first = memdec_json("run", tiny_pipeline, *store, env=prefect_environment)
    assert [stage["stage"] for stage in first["stages"]] == built(first) == ORDER
    assert first["promotion"] == {"outcome": "promoted", "why": "all 8 checks passed"}
    assert perplexity(first, "memory") < perplexity(first, "base")

    again = memdec_json("run", tiny_pipeline, *store, env=prefect_environment)
    assert built(again) == []
    assert again["evaluation"] == first["evaluation"]

    planned = memdec_json("plan", tiny_pipeline, *store, *CHANGE, env=prefect_environment)
    to_build = [row for row in planned["stages"] if row["action"] == "build"]
    assert [row["stage"] for row in to_build] == AFTER_TRAINING
    assert to_build[0]["why"] == "training.beta: 0.5 → 0.3"
    assert to_build[1]["why"] == "other model"
    changed = memdec_json(
        "run", tiny_pipeline, *store, *CHANGE, env=prefect_environment, status=EXIT_KEPT_BACK
    )
    assert built(changed) == [*AFTER_TRAINING, "promotion_gate"]
    check_releases(first, changed, tiny_pipeline, *store, env=prefect_environment)

    both = memdec_json(
        "generate", tiny_pipeline, *store, "--prompt", "the court", "--temperature", "1",
        "--seed", "1", env=prefect_environment,
    )  # fmt: skip
    assert [len(both[side]) for side in ("base", "memory")] == [1, 1]
    assert both["base"] != both["memory"]

    explained = memdec_json(
        "explain", tiny_pipeline, *store, "--prompt", "the court", "--top", "3",
        env=prefect_environment,
    )  # fmt: skip
    check_explanation(explained, tiny_pipeline)

    forced = memdec_json(
        "run", tiny_pipeline, *store, "--until", "index", "--force", "index",
        env=prefect_environment,
    )  # fmt: skip
    assert built(forced) == ["index"]
    assert forced["stages"][-1]["stage"] == "index"

    checked = memdec_json("artifacts", "verify", *store, env=prefect_environment)
    assert checked["damaged"] == []
    listed = memdec_json("artifacts", "ls", *store, env=prefect_environment)
    assert len(listed["artifacts"]) == len(ORDER) + len(AFTER_TRAINING) + 1

    least = ("--keep", "1", "--releases", "0")
    kept = memdec_json("artifacts", "gc", *least, *store, env=prefect_environment)
    deleted = sorted(name.split("/")[0] for name in kept["deleted"])
    assert deleted == sorted([*AFTER_TRAINING, "promotion_gate", "promotion_gate"])
    report = memdec("artifacts", "show", "report", *store, env=prefect_environment)
    assert "perplexity" in report.stdout

    check_damage_is_found(tmp_path / "store", prefect_environment)
