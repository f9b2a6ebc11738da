"""What a joint model consists of: a base, memories and their weights."""

import copy
from collections.abc import Iterable
from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig

from memdec_core.models.mixture import check_weights

MODEL_TYPE = "memory_decoder"


class JointConfig(PreTrainedConfig):
    """Configuration of `JointForCausalLM`.

    The parts' own configurations are the fields `base`, `memory_0`, `memory_1`, …, in the order of
    `memories`. All of them are copied: transformers changes what it finds inside another
    configuration, and a live model whose configuration is changed so loses its causal mask.

    Attributes:
        vocab_size: Tokens that all parts share, at most the smallest number of logits of any part;
            padding beyond it is cut off.
        memories: Name of every memory, such as its domain.
        weights: Weight α of every memory; together at most 1, and the base has the rest.
        router: The arrays of an `AlphaRouter` as lists, if there is one for the only memory.
    """

    model_type: ClassVar[str] = MODEL_TYPE

    base: dict[str, Any] | PreTrainedConfig | None = None
    vocab_size: int = 0
    memories: list[str] | None = None
    weights: list[float] | None = None
    router: dict[str, Any] | None = None
    # parameters are shared inside each part, and its own configuration says so
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Turns the parts' configurations into objects.

        Raises:
            UserError: Weights, names and parts do not fit together.
        """
        self.memories = list(self.memories or [])
        self.weights = [float(weight) for weight in self.weights or [0.0] * len(self.memories)]
        self.base = _as_config(self.base or {"model_type": "gpt2"})
        for key in self._memory_keys():
            setattr(self, key, _as_config(kwargs.pop(key, {"model_type": "gpt2"})))
        check_weights(self.weights, len(self.memories))
        self.vocab_size = self.vocab_size or min(part.vocab_size for part in self.text_configs())
        super().__post_init__(**kwargs)

    @property
    def sub_configs(self) -> dict[str, Any]:  # type: ignore[override] # of the class elsewhere
        """Name and kind of the parts' configurations; how many there are is an instance's own."""
        return dict.fromkeys(["base", *self._memory_keys()], AutoConfig)

    @property
    def max_position_embeddings(self) -> int | None:
        """Most tokens that every part reads, None where none has a limit."""
        limits = [getattr(part, "max_position_embeddings", None) for part in self.text_configs()]
        return min((limit for limit in limits if limit is not None), default=None)

    def parts(self) -> list[PreTrainedConfig]:
        """The base's configuration, then every memory's."""
        return [getattr(self, key) for key in self.sub_configs]

    def text_configs(self) -> list[PreTrainedConfig]:
        """As `parts`, of each what concerns text."""
        return [part.get_text_config() for part in self.parts()]

    def use_configs_of(self, parts: Iterable[Any]) -> None:
        """Refer to the parts' live configurations, so that what is set here reaches the parts."""
        for key, part in zip(self.sub_configs, parts, strict=True):
            setattr(self, key, part.config)

    def _memory_keys(self) -> list[str]:
        return [f"memory_{number}" for number in range(len(self.memories or []))]


def _as_config(part: dict[str, Any] | PreTrainedConfig) -> PreTrainedConfig:
    if isinstance(part, PreTrainedConfig):
        return copy.deepcopy(part)
    settings = dict(part)
    config: PreTrainedConfig = AutoConfig.for_model(settings.pop("model_type"), **settings)
    return config
