"""Attention masks of every part of a joint model.

With a cache of fixed size, transformers makes the masks before the (compiled) forward pass. Parts
differ in kind, and some in how their layers are masked, so each has masks of its own, in one flat
mapping: (part, kind of layer) to a mask (B, 1, T, cached).
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers.masking_utils import create_masks_for_generate

from memdec_core.joint.cache import JointCache

PartMasks = dict[tuple[int, str | None], Tensor | None]


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
