"""The keys and values of a joint model: each part's own, moved together."""

from collections.abc import Sequence
from typing import Any

from transformers.cache_utils import Cache


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
