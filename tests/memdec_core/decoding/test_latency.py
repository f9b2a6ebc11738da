"""Medians and ratios of rounds on a clock that the decoders themselves move."""

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
import pytest
import torch

from memdec_core.decoding.decoding_config import LatencyConfig
from memdec_core.decoding.latency import time_decoders
from memdec_core.errors import UserError

CONFIG = LatencyConfig(new_tokens=5, repeats=4)


class Machine:
    """A clock, what ran on it, and how slow it is in each round."""

    def __init__(self, slowness: Sequence[float] = (1,) * 99) -> None:
        self.now = 0.0
        self.slowness = slowness
        self.started: list[tuple[str, tuple[int, ...]]] = []

    def system(self, name: str, first: float, costs: Sequence[float]) -> Callable[[], "Clockwork"]:
        """Makes decoders; the prompt takes `first`, each further token what `costs` says."""
        rounds = count()
        return lambda: Clockwork(self, name, first, costs[next(rounds)])


class Clockwork:
    """A decoder that takes the time it is told to take."""

    context_length = 50

    def __init__(self, machine: Machine, name: str, first: float, further: float) -> None:
        self.machine, self.name, self.cost, self.further = machine, name, first, further
        machine.now += 1000  # making a decoder does not count
        self.slow = machine.slowness[sum(name == other for other, _ in machine.started)]

    def feed(self, tokens: Sequence[int]) -> torch.Tensor:
        if len(tokens) > 1:  # a prompt
            self.machine.started.append((self.name, tuple(tokens)))
        self.machine.now += self.cost * self.slow
        self.cost = self.further
        return torch.zeros(10)


def test_times_and_ratios_are_medians_over_the_rounds_after_the_first() -> None:
    machine = Machine()
    base, other = [100.0, 2.0, 4.0, 4.0, 8.0], [1.0, 6.0, 8.0, 20.0, 12.0]
    systems = {
        "base": machine.system("base", 7.0, base),
        "other": machine.system("other", 3.0, other),
    }
    timings = time_decoders(systems, [[1, 2]], CONFIG, lambda: machine.now)
    ratios = [b / a for a, b in zip(base, other, strict=True)][1:]
    assert timings["base"] == pytest.approx((7.0, 4.0, 1.0, 1.0, 1.0))
    low, high = np.quantile(ratios, [0.25, 0.75])
    assert timings["other"] == pytest.approx((3.0, 10.0, np.median(ratios), low, high))
    assert low < np.median(ratios) < high


def test_a_machine_that_slows_in_some_rounds_changes_no_ratio() -> None:
    machine = Machine(slowness=(1, 1, 9, 2, 30))
    systems = {
        "base": machine.system("base", 5.0, [2.0] * 5),
        "other": machine.system("other", 5.0, [3.0] * 5),
    }
    timing = time_decoders(systems, [[1, 2]], CONFIG, lambda: machine.now)["other"]
    assert timing[2:] == pytest.approx((1.5, 1.5, 1.5))


def test_systems_take_turns_in_rotating_order_with_the_prompt_of_the_round() -> None:
    machine = Machine()
    names = ["base", "memory", "rag"]
    systems = {name: machine.system(name, 5.0, [1.0] * 5) for name in names}
    time_decoders(systems, [[1, 2], [3, 4], [5, 6]], CONFIG, lambda: machine.now)
    expected = [
        (names[(turn + number) % 3], ((1, 2), (3, 4), (5, 6))[number % 3])
        for number in range(5)
        for turn in range(3)
    ]
    assert machine.started == expected


def test_a_prompt_too_long_for_a_system_is_the_users_to_mend() -> None:
    machine = Machine()
    systems = {"base": machine.system("base", 5.0, [1.0] * 5)}
    with pytest.raises(UserError, match="exceed the context of 50"):
        time_decoders(systems, [[1] * 46], CONFIG, lambda: machine.now)
