"""Pins: they last as long as the process behind them."""

import os
import time

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import StoreUnavailable
from storage.store.artifact_store import Store
from storage.store.holdings import Holding
from storage.store.pins import dead_pins, live_pins, pin
from tests.storage.conftest import Refuse

REFS = [ArtifactRef(stage="tokens", fingerprint=digit * 32) for digit in "12"]


def test_a_pin_lasts_as_long_as_its_block(any_store: Store) -> None:
    with pin(any_store, REFS):
        assert live_pins(any_store, time.time) == set(REFS)
        assert dead_pins(any_store, time.time) == []
    assert live_pins(any_store, time.time) == set()
    assert any_store.root.scan("pins") == []


def test_a_run_whose_pin_is_refused_does_not_go_on_without(objects: Store, refuse: Refuse) -> None:
    refuse(".json", 7)
    with pytest.raises(StoreUnavailable), pin(objects, []):
        pytest.fail("the run went on")


def test_the_pin_of_a_dead_process_protects_nothing(store: Store) -> None:
    dead = Holding(started=Holding().started - 100, refs=REFS)
    store.root.create("pins/dead.json", dead.encoded())
    assert live_pins(store, time.time) == set()
    assert dead_pins(store, time.time) == ["pins/dead.json"]


def test_the_pin_of_another_machine_is_believed_while_it_is_fresh(store: Store) -> None:
    store.root.create("pins/far.json", Holding(host="elsewhere", refs=REFS[:1]).encoded())
    assert live_pins(store, time.time) == {REFS[0]}
    assert store.root.folder is not None
    os.utime(store.root.folder / "pins" / "far.json", (1e9, 1e9))
    assert live_pins(store, time.time) == set()
