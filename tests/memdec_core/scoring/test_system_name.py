"""Roles are taken apart to what they were put together from; the strings are those of old."""

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.scoring.system_name import KINDS, Kind, SystemName

ROLES = {
    "base_0": SystemName("base", 0),
    "knn_lm_12": SystemName("knn_lm", 12),
    "rag_1": SystemName("rag", 1),
    "dapt_0": SystemName("dapt", 0),
    "lora_0": SystemName("lora", 0),
    "dapt_small": SystemName("dapt_small"),
    "memory": SystemName("memory"),
    "memory_beta_0.3": SystemName("memory_beta", variant="0.3"),
    "memory_student_small": SystemName("memory_student", variant="small"),
    "memory_datastore_qwen2-7b": SystemName("memory_datastore", variant="qwen2-7b"),
    "router_0": SystemName("router", 0),
    "router_features_1": SystemName("router_features", 1),
    "latency_0": SystemName("latency", 0),
    "audit_0": SystemName("audit", 0),
    "memory_scores": SystemName("memory_scores"),
    "general:tokens": SystemName("tokens", corpus="general"),
    "general:base_0": SystemName("base", 0, corpus="general"),
    "general:memory_beta_0": SystemName("memory_beta", variant="0", corpus="general"),
    "general:router_features_0": SystemName("router_features", 0, corpus="general"),
    "previous_text:memory_scores": SystemName("memory_scores", corpus="previous_text"),
    "previous_text:production_scores": SystemName("production_scores", corpus="previous_text"),
}
"""Fingerprints and stored manifests hold these strings."""

LOWER = st.from_regex(r"[a-z0-9][a-z0-9-]*", fullmatch=True)
CORPORA = st.one_of(st.just(""), st.just("previous_text"), LOWER)


@st.composite
def names(draw: st.DrawFn) -> SystemName:
    kind: Kind = draw(st.sampled_from(list(KINDS)))
    numbers = st.one_of(st.none(), st.integers(0, 200))
    base = draw(numbers) if KINDS[kind].has_bases else None
    betas = st.floats(0, 1).map(lambda beta: f"{beta:g}")
    variant = draw(st.one_of(betas, LOWER)) if KINDS[kind].has_variants else ""
    return SystemName(kind, base, variant, draw(CORPORA))


@given(names())
def test_a_role_is_taken_apart_to_what_it_was_put_together_from(name: SystemName) -> None:
    assert SystemName.parse(name.role) == name


@pytest.mark.parametrize("role", ROLES)
def test_roles_are_the_strings_that_fingerprints_hold(role: str) -> None:
    assert ROLES[role].role == role
    assert SystemName.parse(role) == ROLES[role]


@pytest.mark.parametrize(
    "role",
    ["evaluation", "targets", "base_model", "choices_base_0", "base_", "base_00", "memory_", ""],
)
def test_other_roles_are_no_systems(role: str) -> None:
    assert SystemName.parse(role) is None


def test_among_roles_systems_are_found_in_their_order() -> None:
    roles = ["tokens", "base_1", "evaluation", "base_0", "general:base_1", "choices_base_0"]
    found = SystemName.among(roles, "base")
    assert found == [
        SystemName("base", 1),
        SystemName("base", 0),
        SystemName("base", 1, "", "general"),
    ]
    assert len(SystemName.among(roles)) == 4


@given(names())
def test_a_jobs_name_says_what_it_is_about(name: SystemName) -> None:
    about = SystemName.of_job(name.job)
    assert about is not None
    assert about.job == name.job


def test_the_name_in_tables_is_the_same_on_every_base() -> None:
    assert [SystemName("knn_lm", number).system for number in (0, 1)] == ["knn_lm", "knn_lm"]
    assert SystemName.parse("knn_lm") == SystemName("knn_lm")
    assert SystemName("memory_beta", variant="0.3").system == "memory_beta_0.3"


KIND = f"({'|'.join(KINDS)})"
COMPOSED = re.compile(
    rf"""f["'][^"']*\b{KIND}_\{{[^}}]*\}}(?!\.png)"""  # base_{number}, but for a picture's file
    rf"""|f["'][^"']*\}}:(\{{\w*(role|name)|{KIND})"""  # {corpus}:{role}
)
TAKEN_APART = re.compile(
    rf"""(with|prefix|suffix|match|compile|split|partition|search)\([^)]*["'](\(?{KIND}_|:tokens)"""
    r"""|rpartition\(["']:["']\)"""
)


def test_no_role_is_put_together_or_taken_apart_elsewhere() -> None:
    root = Path(__file__).parents[3]
    home = Path(inspect.getfile(SystemName))
    files = [
        file
        for package in ("memdec_core", "storage", "tasks", "flows")
        for file in (root / package).rglob("*.py")
        if file != home and file.parent.name != "joint"  # memory_0 there: a part of the weights
    ]
    assert len(files) > 300
    found = [
        f"{file.relative_to(root)}: {line.strip()}"
        for file in files
        for line in file.read_text().splitlines()
        if COMPOSED.search(line) or TAKEN_APART.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'name = f"memory_beta_{beta:g}"',
        'inputs[f"{corpus}:base_{number}"]',
        'inputs[f"{name}:{role}"]',
        'f"{name}:tokens"',
        'if system.startswith("memory_"):',
        're.fullmatch(r"base_\\d+", role)',
        'role.removeprefix("base_")',
        'corpus, _, kind = role.rpartition(":")',
        'role.endswith(":tokens")',
    ],
)
def test_lines_that_did_so_would_be_found(line: str) -> None:
    assert COMPOSED.search(line) or TAKEN_APART.search(line)
