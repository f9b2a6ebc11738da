"""Checkpoints and routers: arrays in safetensors, the rest in JSON; nothing is ever unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue
from safetensors.numpy import load, load_file, save_file

from storage.store.scratch import Scratch
from storage.store.shard_files import ShardReader

Arrays = dict[str, npt.NDArray[np.generic]]

_ARRAYS, _FACTS = "arrays.safetensors", "facts.json"
_ROUTER, _ROUTER_FACTS = "router.safetensors", "router.json"


class CheckpointFiles:
    """States of a training in the scratch space of the artifact it builds.

    Attributes:
        every_s: Least seconds between two saves.
    """

    def __init__(self, scratch: Scratch, every_s: float = 30.0) -> None:
        self._scratch = scratch
        self.every_s = every_s

    def save(self, step: int, arrays: Arrays, facts: dict[str, JsonValue]) -> None:
        """Saves a state, all or nothing, and drops all but the two newest."""

        def fill(folder: Path) -> None:
            _save_arrays(folder / _ARRAYS, arrays)
            (folder / _FACTS).write_text(json.dumps(facts, allow_nan=False), encoding="utf-8")

        self._scratch.save(f"step-{step:012d}", fill)
        self._scratch.keep_last(2)  # if the newest is damaged there is one more

    def latest(self) -> tuple[Arrays, dict[str, JsonValue]] | None:
        """The newest whole state, None before the first save."""
        found = self._scratch.latest()
        if found is None:
            return None
        _, folder = found
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        return load_file(folder / _ARRAYS), facts


def write_router(
    folder: Path, arrays: Mapping[str, npt.NDArray[np.float64]], facts: dict[str, JsonValue]
) -> None:
    """Write router.safetensors and router.json.

    Args:
        folder: The shard's folder.
        arrays: The weights by name.
        facts: What a reader must know to use them, such as the features they are for.
    """
    _save_arrays(folder / _ROUTER, arrays)
    text = json.dumps(facts, indent=1, sort_keys=True, allow_nan=False)
    (folder / _ROUTER_FACTS).write_text(text + "\n", encoding="utf-8")


def read_router(
    reader: ShardReader,
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, JsonValue]]:
    """The weights and the facts as `write_router` took them."""
    return load(reader.read(_ROUTER)), json.loads(reader.read(_ROUTER_FACTS))


def _save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Safetensors writes buffers as they lie in memory, whatever their strides."""
    rowwise = {
        name: array if array.flags.c_contiguous else array.copy(order="C")
        for name, array in arrays.items()
    }
    save_file(rowwise, path)
