"""What one module of a decoder is given, and whether the output head is the last of them.

Shapes: B sequences, T tokens, D width of what the module is given, V logits.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

PROBE_SCALE = 50.0


class HeadProbe(NamedTuple):
    """What a forward pass says of an output head.

    Attributes:
        n_logits: How many tokens the model predicts.
        is_last: Whether the logits are the head's output, with no scaling or soft cap after it.
    """

    n_logits: int
    is_last: bool


class _ModuleReachedError(Exception):
    """Stops a forward pass where a module would begin; no error, but only this can do that."""

    def __init__(self, given_BTD: Tensor) -> None:
        self.given_BTD = given_BTD


def forward_until(model: nn.Module, module: nn.Module, tokens_BT: Tensor) -> Tensor:
    """Run a decoder up to one of its modules and no further.

    No attention mask: in a causal model, padding on the right changes nothing to its left.

    Returns:
        The module's input, (B, T, D) or (B * T, D) as the module gets it.
    """

    def stop(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        raise _ModuleReachedError(inputs[0])

    hook = module.register_forward_pre_hook(stop)
    try:
        model(input_ids=tokens_BT, use_cache=False)
    except _ModuleReachedError as reached:
        return reached.given_BTD
    finally:
        hook.remove()
    raise AssertionError(f"the forward pass never reached the {type(module).__name__}")


@torch.no_grad()
def probe_head(model: nn.Module, head: nn.Module, tokens_BT: Tensor) -> HeadProbe:
    """Find out by trying what comes after an output head; the model is in evaluation mode.

    Tried rather than read from the configuration, because every family has its own name for a
    factor on its logits. What the head is given is scaled up: a soft cap leaves small logits as
    they are.
    """
    seen: list[Tensor] = []

    def scale_up(_head: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
        return (inputs[0] * PROBE_SCALE,)

    def record(_head: nn.Module, _inputs: tuple[Any, ...], logits_BTV: Tensor) -> None:
        seen.append(logits_BTV)

    hooks = [head.register_forward_pre_hook(scale_up), head.register_forward_hook(record)]
    try:
        logits_BTV: Tensor = model(input_ids=tokens_BT, use_cache=False).logits
    finally:
        for hook in hooks:
            hook.remove()
    return HeadProbe(logits_BTV.shape[-1], len(seen) == 1 and torch.equal(logits_BTV, seen[0]))
