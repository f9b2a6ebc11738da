"""The parts of a joint model: what each has read (keys, values, its mask), and one pass of all."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache
from transformers.masking_utils import create_masks_for_generate

PartMasks = dict[tuple[int, str | None], Tensor | None]


class JointCache(Cache):
    """The caches of base and memories as one.

    What concerns all sequences or rows (reordering, cropping, selecting, …) is done by
    transformers' own methods on the layers of all parts; lengths and masks are those of the base.
    """

    def __init__(self, parts: Sequence[Cache]) -> None:
        self.parts = tuple(parts)
        self._is_user_defined = False
        # what Cache's own constructor sets; the parts move their layers on and off the device
        self.layer_class_to_replicate = None
        self.offloading = False

    @property
    def layers(self) -> list[Any]:  # type: ignore[override] # a list of its own elsewhere
        """The layers of the base, then those of every memory; some caches add theirs later."""
        return [layer for part in self.parts for layer in part.layers]

    def update(self, *_args: object, **_options: object) -> Any:
        """Refused: every part updates its own cache.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a JointCache is read and written through its parts")

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """As `Cache.get_max_length`, of the part that is full first."""
        lengths = [part.get_max_length(layer_idx) for part in self.parts if part.layers]
        return min((length for length in lengths if length >= 0), default=-1)

    @property
    def is_compileable(self) -> bool:
        """Whether every part's is."""
        return all(part.is_compileable for part in self.parts)

    def __repr__(self) -> str:
        return f"JointCache({', '.join(map(repr, self.parts))})"


def masks_for_parts(
    parts: Sequence[Any], *, config: object, past_key_values: JointCache, **options: Any
) -> PartMasks:
    """Masks for one forward pass of every part.

    Args:
        parts: The models.
        config: The joint model's own, which has no layers to make a mask for.
        past_key_values: Their caches.
        **options: As `create_masks_for_generate` of transformers.
    """
    del config
    masks: PartMasks = {}
    for number, (part, cache) in enumerate(zip(parts, past_key_values.parts, strict=True)):
        make = getattr(part, "create_masks_for_generate", create_masks_for_generate)
        made = make(config=part.config, past_key_values=cache, **options)
        by_kind = made if isinstance(made, dict) else {None: made}
        masks |= {(number, kind): mask for kind, mask in by_kind.items()}
    return masks


def masks_of_part(masks: Tensor | PartMasks | None, part: int) -> Any:
    """What one part takes as its attention mask; a mask of padding serves all alike."""
    if not isinstance(masks, dict):
        return masks
    own = {kind: mask for (number, kind), mask in masks.items() if number == part}
    return own.get(None, own)


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
    if (
        device.type != "cuda"
        or len(parts) == 1
        or torch.compiler.is_compiling()
        or torch.cuda.is_current_stream_capturing()
    ):
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
