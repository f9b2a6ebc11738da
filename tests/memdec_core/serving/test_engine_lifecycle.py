"""Requests end as they should, whatever happens to one of them, and the engine goes on."""

import threading
import time

import pytest

from memdec_core.models.language_model import TransformerLM
from memdec_core.serving.engine import Engine, EngineClosedError, QueueFullError, Ticket
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from memdec_core.serving.request import Event, Finished, TokenScores
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
from tests.support.tiny_models import tiny_model

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_cancelled_request_frees_its_row_and_the_others_go_on() -> None:
    models = two_models()
    with Engine(models, EngineLimits(max_batch=2)) as engine:
        (long, short), (cancelled, other) = accept_all(engine, [LONG, LONG])
        eventually(lambda: engine.statistics().running == 2)
        waiting = Receiver()
        engine.submit(SHORT, waiting)
        long.cancel()
        assert cancelled.finished().reason == "cancelled"
        assert waiting.finished().reason == "length"
        assert len(cancelled.tokens) < LONG.max_new_tokens
        assert other.finished().reason == "length"
        short.cancel()
        eventually(lambda: engine.statistics().cached_tokens == 0)
        statistics = engine.statistics()
    check_start(models, LONG, other)
    check(models, SHORT, waiting)
    assert (statistics.running, statistics.waiting) == (0, 0)
    assert statistics.requests_finished == {"cancelled": 1, "length": 2}
    told = sum(len(receiver.tokens) for receiver in (cancelled, other, waiting))
    assert statistics.tokens_generated == told


def test_waiting_requests_and_prompts_being_read_can_be_cancelled_too() -> None:
    models = two_models()
    with Engine(models, EngineLimits(max_batch=3, prefill_tokens=4)) as engine:
        gate, first = held(engine, SHORT)
        prompts = [LONG.model_copy(update={"prompt": tuple(range(n))}) for n in (3, 50, 20)]
        tickets, receivers = accept_all(engine, [*prompts[:2], *prompts, SHORT])
        for ticket in tickets[2:5]:
            ticket.cancel()
        gate.opened.set()
        reasons = [receiver.finished().reason for receiver in receivers[2:]]
        assert reasons == ["cancelled"] * 3 + ["length"]
        assert all(receiver.tokens == [] for receiver in receivers[2:5])
        for ticket in tickets[:2]:
            ticket.cancel()
        assert first.finished().reason == "length"
    check(models, SHORT, first)
    check(models, SHORT, receivers[-1])


def test_a_waiting_request_that_is_cancelled_leaves_its_place_to_another() -> None:
    with Engine(two_models(), EngineLimits(max_batch=1, max_queue=1)) as engine:
        gate, first = held(engine, LONG)
        (ticket,), (cancelled,) = accept_all(engine, [SHORT])
        ticket.cancel()
        gate.opened.set()
        assert cancelled.finished().reason == "cancelled"
        assert engine.statistics().waiting == 0
        _, (another,) = accept_all(engine, [SHORT])
        assert another.finished().reason == "length"
        assert first.finished().reason == "length"


def test_a_request_that_is_cancelled_at_its_last_token_ends_once() -> None:
    tickets: list[Ticket] = []
    told: list[Event] = []

    def cancel_at_last(event: Event) -> None:
        told.append(event)
        if len(told) == SHORT.max_new_tokens:
            tickets[0].cancel()

    with Engine(two_models(), EngineLimits()) as engine:
        gate, first = held(engine, SHORT)
        tickets.append(engine.submit(SHORT, cancel_at_last))
        gate.opened.set()
        first.finished()
        eventually(lambda: engine.statistics().running == 0)
        engine.close(drain=True)
    assert told[SHORT.max_new_tokens :] == [Finished("length")]
    assert engine.statistics().requests_finished == {"length": 2}


def test_a_full_queue_refuses_and_takes_again_later() -> None:
    with Engine(two_models(), EngineLimits(max_batch=1, max_queue=2)) as engine:
        gate, first = held(engine, SHORT)
        _, waiting = accept_all(engine, [SHORT, SHORT])
        assert engine.statistics().waiting == 2
        with pytest.raises(QueueFullError, match="2 requests wait"):
            engine.submit(SHORT, Receiver())
        gate.opened.set()
        for receiver in (first, *waiting):
            assert receiver.finished().reason == "length"
        again = Receiver()
        engine.submit(SHORT, again)
        assert again.finished().reason == "length"


def test_closing_gently_answers_all_that_was_accepted() -> None:
    models = two_models()
    engine = Engine(models, EngineLimits(max_batch=2))
    engine.start()
    _, receivers = accept_all(engine, [SHORT] * 5)
    engine.close(drain=True)
    assert not engine.is_alive
    for receiver in receivers:
        assert receiver.finished().reason == "length"
        check(models, SHORT, receiver)
    engine.close(drain=True)


def test_closing_at_once_cancels_what_runs_and_what_waits() -> None:
    engine = Engine(two_models(), EngineLimits(max_batch=1))
    engine.start()
    gate, first = held(engine, LONG)
    _, receivers = accept_all(engine, [SHORT, SHORT])
    closing = threading.Thread(target=lambda: engine.close(drain=False))
    closing.start()
    eventually(lambda: not engine.is_alive)
    gate.opened.set()
    closing.join()
    for receiver in (first, *receivers):
        assert receiver.finished().reason == "cancelled"
    assert engine.statistics().requests_finished == {"cancelled": 3}


def test_closing_gently_is_cut_short_by_its_time_limit() -> None:
    engine = Engine(two_models(), EngineLimits())
    engine.start()
    _, receivers = accept_all(engine, [LONG] * 8)
    engine.close(drain=True, timeout=0.02)
    assert {receiver.finished().reason for receiver in receivers} == {"cancelled"}


def test_an_engine_that_is_not_open_takes_nothing() -> None:
    engine = Engine(two_models(), EngineLimits())
    with pytest.raises(EngineClosedError):
        engine.submit(SHORT, Receiver())
    engine.close(drain=True)
    with engine:
        assert engine.is_alive
    with pytest.raises(EngineClosedError):
        engine.submit(SHORT, Receiver())


def test_limits_hold_while_many_requests_come_and_go() -> None:
    limits = EngineLimits(max_batch=4, max_batch_tokens=120, prefill_tokens=32)
    looks: list[tuple[int, int]] = []
    with Engine(two_models(), limits) as engine:

        def look(_event: Event) -> None:
            statistics = engine.statistics()
            looks.append((statistics.running, statistics.cached_tokens))

        receivers = [Receiver(look) for _ in range(20)]
        for number, receiver in enumerate(receivers):
            prompt = tuple(range(1 + 7 * (number % 5)))
            engine.submit(SHORT.model_copy(update={"prompt": prompt}), receiver)
        for receiver in receivers:
            receiver.finished()
    running, cached = zip(*looks, strict=True)
    assert max(running) == 4
    assert 60 < max(cached) <= 120


def test_requests_are_answered_in_the_order_they_came() -> None:
    order: list[int] = []
    with Engine(two_models(), EngineLimits(max_batch=1)) as engine:
        gate, _ = held(engine, SHORT)
        receivers = [
            Receiver(lambda event, n=n: order.append(n) if isinstance(event, TokenScores) else None)
            for n in range(6)
        ]
        for receiver in receivers:
            engine.submit(SHORT, receiver)
        gate.opened.set()
        for receiver in receivers:
            receiver.finished()
    assert order == sorted(order)


def test_many_threads_may_submit_and_cancel_at_once() -> None:
    models = ServedModels(TransformerLM(tiny_model("gpt2", seed=1), VOCAB), (), ())
    receivers: list[Receiver] = []

    def client(number: int) -> None:
        for turn in range(5):
            receiver = Receiver()
            receivers.append(receiver)
            ticket = engine.submit(SHORT if turn % 2 else LONG, receiver)
            if turn % 2 == 0:
                while number % 2 and not receiver.tokens:
                    time.sleep(0.001)
                ticket.cancel()
            receiver.finished()

    with Engine(models, EngineLimits(max_batch=5)) as engine:
        threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(lambda: engine.statistics().cached_tokens == 0)
        statistics = engine.statistics()
    assert statistics.requests_finished == {"cancelled": 36, "length": 24}
    assert (statistics.running, statistics.waiting) == (0, 0)
    whole = [receiver for receiver in receivers if receiver.finished().reason == "length"]
    check(models, SHORT, whole[0])
    assert all(receiver.tokens == whole[0].tokens for receiver in whole)
