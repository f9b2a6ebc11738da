"""A router in two files: its weights as safetensors, what they were fitted for as JSON."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue
from safetensors.numpy import load, save_file

from storage.store.shard_files import ShardReader

WEIGHTS, FACTS = "router.safetensors", "router.json"


def write_router(
    folder: Path, arrays: dict[str, npt.NDArray[np.float64]], facts: dict[str, JsonValue]
) -> None:
    """Write router.safetensors and router.json.

    Args:
        folder: The shard's folder.
        arrays: The weights by name.
        facts: What a reader must know to use them, such as the features they are for.
    """
    # safetensors writes buffers as they lie in memory, whatever their strides
    rowwise = {name: array.copy(order="C") for name, array in arrays.items()}
    save_file(rowwise, folder / WEIGHTS)
    text = json.dumps(facts, indent=1, sort_keys=True, allow_nan=False)
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")


def read_router(
    reader: ShardReader,
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, JsonValue]]:
    """The weights and the facts as `write_router` took them."""
    return load(reader.read(WEIGHTS)), json.loads(reader.read(FACTS))
