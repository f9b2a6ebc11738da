"""What each part of a joint model has read: its keys and values, and its attention mask."""

from collections.abc import Sequence
from typing import Any

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
