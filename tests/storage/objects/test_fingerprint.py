"""Fingerprints: the same for the same, different otherwise, never for what is unstable."""

import json
import math
import random
from enum import IntEnum, StrEnum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.fingerprint import canonical_json, digest_file, fingerprint
from storage.objects.store_errors import MissingSource

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
LEAVES = SCALARS | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
CONFIGS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


def shuffled(value: JsonValue, order: random.Random) -> JsonValue:
    """The same value with the keys of all its dicts in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return [shuffled(item, order) for item in value]
    return value


def typed(value: JsonValue) -> object:
    """Comparable so that 1, 1.0 and True differ, as do 0.0 and -0.0."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value), repr(value))


@given(CONFIGS, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(
    config: dict[str, JsonValue], order: random.Random
) -> None:
    other = shuffled(config, order)
    assert isinstance(other, dict)
    assert fingerprint("tokens", 1, config, {}) == fingerprint("tokens", 1, other, {})


@given(CONFIGS, CONFIGS)
def test_different_configurations_differ(
    one: dict[str, JsonValue], other: dict[str, JsonValue]
) -> None:
    same = fingerprint("tokens", 1, one, {}) == fingerprint("tokens", 1, other, {})
    assert same == (typed(one) == typed(other))


@given(VALUES)
def test_canonical_json_reads_back_as_the_same_value(value: JsonValue) -> None:
    assert typed(json.loads(canonical_json(value))) == typed(value)


def test_stage_version_and_inputs_count() -> None:
    inputs = [ArtifactRef(stage="corpus", fingerprint=digit * 32) for digit in "12"]
    names = {
        fingerprint("tokens", 1, {}, {"corpus": inputs[0]}),
        fingerprint("tokens", 2, {}, {"corpus": inputs[0]}),
        fingerprint("targets", 1, {}, {"corpus": inputs[0]}),
        fingerprint("tokens", 1, {}, {"corpus": inputs[1]}),
        fingerprint("tokens", 1, {}, {"other": inputs[0]}),
        fingerprint("tokens", 1, {}, {}),
    }
    assert len(names) == 6


def test_a_fingerprint_stays_the_same_across_releases() -> None:
    """Changing this value makes every artifact of every user unknown."""
    assert fingerprint("tokens", 1, {"tokens": {"beta": 0.5, "n": 3}}, {}) == GOLDEN


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 1


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        (1, 2),
        {1, 2},
        b"x",
        Path("x"),
        np.float64(1.0),
        np.int64(1),
        Colour.RED,
        Level.HIGH,
        {1: 2},
        object(),
    ],
)
def test_what_has_no_canonical_form_is_refused_with_its_path(value: object) -> None:
    with pytest.raises(TypeError, match=r"^config\.a\[1\]"):
        canonical_json({"config": {"a": [0, value]}})


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingSource, match="nowhere: no such file"):
        digest_file(tmp_path / "nowhere")


GOLDEN = "53b1e26df6decb53b19bb572b4b739d8"
