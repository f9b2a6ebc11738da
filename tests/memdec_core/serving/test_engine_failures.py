"""What fails ends the requests it belongs to, and the engine goes on with the others."""

from collections.abc import Callable

import pytest
import torch

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.serving.engine import Engine
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from memdec_core.serving.request import Event
from tests.support.engine_runs import (
    LONG,
    SHORT,
    VOCAB,
    Receiver,
    accept_all,
    check,
    check_start,
    eventually,
    held,
    two_models,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("at", [0, 3, 7])
def test_a_receiver_that_fails_ends_its_own_request_alone(
    at: int, caplog: pytest.LogCaptureFixture
) -> None:
    models = two_models()
    seen: list[Event] = []

    def failing(event: Event) -> None:
        seen.append(event)
        if len(seen) == at + 1:
            raise RuntimeError("the client is gone")

    other, later = Receiver(), Receiver()
    with Engine(models, EngineLimits()) as engine:
        engine.submit(SHORT.model_copy(update={"prompt_log_probs": True}), failing)
        engine.submit(SHORT, other)
        other.finished()
        eventually(lambda: engine.statistics().running == 0)
        engine.submit(SHORT, later)
        later.finished()
        finished = engine.statistics().requests_finished
    assert len(seen) == at + 1
    # its last event, after the prompt's and six tokens', is the end, which stands as it is told
    assert finished == ({"length": 3} if at == 7 else {"error": 1, "length": 2})
    check(models, SHORT, other)
    check(models, SHORT, later)
    assert "the client is gone" in caplog.text


class Failing:
    """Lets a model's forward pass fail when it reads a given number of columns."""

    def __init__(self, lm: TransformerLM, columns: Callable[[int], bool]) -> None:
        self.armed = False
        self._columns = columns
        lm.model.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, _module: object, _args: object, options: dict[str, torch.Tensor]) -> None:
        if self.armed and self._columns(options["input_ids"].shape[1]):
            self.armed = False
            raise RuntimeError("out of memory")


def test_a_step_that_fails_ends_the_rows_in_it_and_the_engine_goes_on() -> None:
    models = two_models()
    failing = Failing(models.memories[0], lambda columns: columns == 1)
    with Engine(models, EngineLimits(max_batch=2)) as engine:
        gate, first = held(engine, LONG)
        _, (second, third) = accept_all(engine, [LONG, SHORT])
        gate.opened.set()
        eventually(lambda: bool(second.tokens))
        failing.armed = True
        for receiver in (first, second):
            assert receiver.finished().reason == "error"
            assert "out of memory" in receiver.finished().message
        assert third.finished().reason == "length"
        eventually(lambda: engine.statistics().cached_tokens == 0)
    check(models, SHORT, third)


def test_a_prompt_that_fails_leaves_the_rows_under_way_alone() -> None:
    models = two_models()
    failing = Failing(models.base, lambda columns: columns > 1)
    with Engine(models, EngineLimits()) as engine:
        gate, first = held(engine, LONG)
        failing.armed = True
        second, third = Receiver(), Receiver()
        engine.submit(SHORT, second)
        gate.opened.set()
        assert second.finished().reason == "error"
        engine.submit(SHORT, third)
        assert third.finished().reason == "length"
        assert first.finished().reason == "length"
    check_start(models, LONG, first)
    check(models, SHORT, third)


def test_a_row_without_probabilities_ends_alone() -> None:
    models = two_models()
    with torch.no_grad():
        models.memories[0].model.get_input_embeddings().weight[77] = float("nan")
    broken = SHORT.model_copy(update={"prompt": (5, 77), "temperature": 0.8, "top_p": 0.9})
    with Engine(models, EngineLimits()) as engine:
        _, (first, second) = accept_all(engine, [broken, SHORT])
        assert "NaN" in first.finished().message
        assert first.finished().reason == "error"
        assert second.finished().reason == "length"
    check(models, SHORT, second)


def test_models_that_cannot_be_mixed_are_the_users_mistake() -> None:
    base, (memory,), _ = two_models()
    other = TransformerLM(memory.model, VOCAB - 1)
    with pytest.raises(UserError, match="390 tokens and memory 0 has 389"):
        Engine(ServedModels(base, (other,), (0.5,)), EngineLimits())
    for weights in [(), (0.5, 0.5), (-0.1,), (1.1,), (float("nan"),)]:
        with pytest.raises(UserError, match="weights"):
            Engine(ServedModels(base, (memory,), weights), EngineLimits())
