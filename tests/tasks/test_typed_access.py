"""Stages read configurations, inputs and figures by what checks them, never as bare JSON."""

import re

import pytest

from memdec_core.router.alpha_router_config import AlphaRouterConfig
from memdec_core.windows.windows import WindowConfig
from storage.objects.store_errors import DamagedArtifact
from storage.store.artifact_store import Store
from storage.store.shard_files import of_split, split_of
from tasks.jobs.stage_figures import GateFigures
from tasks.jobs.stage_job import section_name
from tests.services.command_line import ROOT
from tests.support.artifacts import publish

BY_HAND = re.compile(
    r"model_validate\(\s*(?:run\.)?job\.config"  # run.config(TargetsConfig), job.section(…)
    r"|readers\([^()]*(?:\([^()]*\)[^()]*)*\)\s*\[\"all\"\]"  # run.only("model"), store.only(ref)
    r"|(?:shard|name)\.rpartition\(\"-\"\)"  # split_of(shard), of_split(readers, split)
)
"""What a reader of the store would write without the helpers named beside it."""


def test_no_module_takes_configurations_inputs_or_shard_names_apart_by_hand() -> None:
    typed = ROOT / "storage" / "store" / "shard_files.py"
    sources = [
        path for room in ("tasks", "flows", "storage") for path in (ROOT / room).rglob("*.py")
    ]
    found = {
        str(path.relative_to(ROOT)): BY_HAND.findall(path.read_text())
        for path in sources
        if path != typed
    }
    assert {path: places for path, places in found.items() if places} == {}


def test_a_section_is_called_as_its_class_or_as_that_says() -> None:
    assert section_name(AlphaRouterConfig) == "alpha_router"
    assert section_name(WindowConfig) == "windows"


def test_shards_of_a_split_come_in_its_order() -> None:
    shards = {"valid-00000": 1, "train-00001": 2, "train-00000": 3}
    assert of_split(shards, "train") == {"train-00000": 3, "train-00001": 2}
    assert [*of_split(shards, "train")] == ["train-00000", "train-00001"]
    assert split_of("all") == ""


def test_figures_of_another_stage_are_refused_when_they_are_read(store: Store) -> None:
    ref = publish(store, "promotion_gate", {})
    with pytest.raises(DamagedArtifact, match=r"promotion_gate/\w+: not the figures of its stage"):
        GateFigures.of(store.require(ref))
