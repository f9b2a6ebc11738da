"""Runs the parts of a joint model at the same time where the device can."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch


def run_parts(parts: Sequence[Any], inputs: Sequence[Mapping[str, Any]]) -> list[Any]:
    """One forward pass of every part.

    A decoding step of a small model leaves most of a GPU idle, so every memory has a stream of its
    own beside the base's. The streams wait for what was queued before this call and are waited for
    before its results are used. While a graph is traced or captured, and on a CPU, where one pass
    already uses all cores, the parts run in turn.

    Args:
        parts: The models.
        inputs: Arguments of each.

    Returns:
        Their outputs.
    """
    device = parts[0].device
    if device.type != "cuda" or len(parts) == 1 or _is_recorded():
        return [part(**given) for part, given in zip(parts, inputs, strict=True)]
    main = torch.cuda.current_stream(device)
    outputs: list[Any] = [None] * len(parts)
    for number in range(1, len(parts)):
        side = _stream(device, number)
        side.wait_stream(main)
        with torch.cuda.stream(side):
            outputs[number] = parts[number](**inputs[number])
    outputs[0] = parts[0](**inputs[0])
    for number in range(1, len(parts)):
        main.wait_stream(_stream(device, number))
        outputs[number].logits.record_stream(main)
    return outputs


_STREAMS: dict[tuple[torch.device, int], Any] = {}


def _stream(device: torch.device, number: int) -> Any:
    """The stream of the memory of this number; kept, since its allocations are reused on it."""
    if (device, number) not in _STREAMS:
        _STREAMS[device, number] = torch.cuda.Stream(device)
    return _STREAMS[device, number]


def _is_recorded() -> bool:
    return torch.compiler.is_compiling() or torch.cuda.is_current_stream_capturing()
