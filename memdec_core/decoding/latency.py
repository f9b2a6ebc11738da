"""What it takes systems to generate: time, and floating-point operations at least.

Times are measured so that other work on the machine slows all alike; operations are counted from a
decoder's layers.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from memdec_core.decoding.decoders import Decoder, generate
from memdec_core.decoding.decoding_config import LatencyConfig

BASE = "base"
"""The system that the others are compared with."""


class Timing(NamedTuple):
    """What the rounds say of one system; medians over them.

    Attributes:
        first_token: Seconds from the prompt to the first new token.
        per_token: Seconds per further token.
        ratio: Of `per_token` to the base's in the same round.
        ratio_low: First quartile of these ratios.
        ratio_high: Third quartile.
    """

    first_token: float
    per_token: float
    ratio: float
    ratio_low: float
    ratio_high: float


def time_decoders(
    systems: Mapping[str, Callable[[], Decoder]],
    prompts: Sequence[Sequence[int]],
    config: LatencyConfig,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Let every system continue the same prompt in turn, round after round.

    A busy minute slows all systems of a round, so that ratios are taken within rounds. The order
    rotates: none always follows the one that leaves the caches full of its keys. The first round
    warms up and does not count.

    Args:
        systems: Makers of fresh decoders by name, `base` among them; making one takes no time that
            counts.
        prompts: Token ids; one prompt per round, from the first again when there are fewer.
        config: Rounds, and new tokens.
        clock: Seconds.

    Raises:
        UserError: A prompt and the new tokens exceed a system's context.
    """
    names = list(systems)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(1 + config.repeats):
        turn = number % len(names)
        prompt = prompts[number % len(prompts)]
        for name in names[turn:] + names[:turn]:
            runs[name].append(_run(systems[name](), prompt, config.new_tokens, clock))
    counted = {name: np.array(runs_R[1:]) for name, runs_R in runs.items()}
    return {name: _summary(runs_R2, counted[BASE]) for name, runs_R2 in counted.items()}


def _run(
    decoder: Decoder, prompt: Sequence[int], new_tokens: int, clock: Callable[[], float]
) -> tuple[float, float]:
    """Seconds to the first token, and for each further one, of a greedy text of full length."""
    tokens = generate(decoder, prompt, new_tokens, ())
    started = clock()
    next(tokens)
    first = clock()
    further = sum(1 for _ in tokens)
    return first - started, (clock() - first) / further


def _summary(runs_R2: NDArray[np.float64], base_R2: NDArray[np.float64]) -> Timing:
    low, middle, high = np.quantile(runs_R2[:, 1] / base_R2[:, 1], [0.25, 0.5, 0.75]).tolist()
    first_token, per_token = np.median(runs_R2, axis=0).tolist()
    return Timing(first_token, per_token, middle, low, high)


def forward_flops(model: PreTrainedModel, context: int) -> int:
    """Operations that one token takes whose predecessors are cached.

    Two for every weight of a linear layer, the head included: a product and a sum. In every layer,
    the same twice for every position attended to: for its score, and for its value. Norms and
    activations are left out, as is the embedding, which is looked up. A decoder is taken to be
    dense: each of its weights works on each token.

    Args:
        model: A causal decoder with its head.
        context: Positions attended to, the token's own among them.
    """
    linear = sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, nn.Linear | Conv1D)
    )
    config = model.config.get_text_config()
    heads: int = config.num_attention_heads
    head_width: int = getattr(config, "head_dim", None) or config.hidden_size // heads
    attended: int = config.num_hidden_layers * heads * head_width * context
    return 2 * linear + 4 * attended


def joint_flops_ratio(base: PreTrainedModel, memory: PreTrainedModel, context: int) -> float:
    """(base + memory) / base: operations per token of both beside those of the base alone."""
    return 1 + forward_flops(memory, context) / forward_flops(base, context)
