"""Models are replaced under requests without failing one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from memdec_core.serving.engine_limits import EngineLimits
from tasks.serving.api_errors import ApiError
from tasks.serving.engine_slot import EngineSlot
from tests.services.running_server import models, running_server

ASKED = {"model": "law", "prompt": "The memory", "max_tokens": 25, "temperature": 0}


def answer_of(seeds: tuple[int, int, int]) -> str:
    with running_server(models(seeds)) as server, server.client() as client:
        return client.completions.create(**ASKED).choices[0].text  # type: ignore[call-overload,no-any-return]


def test_a_replacement_fails_no_request_and_mixes_no_two_models(one_thread: None) -> None:
    all_seeds = [(1, 2, 3), (4, 5, 6)]
    answers = {f"seeds{seeds}": answer_of(seeds) for seeds in all_seeds}
    assert len(set(answers.values())) == 2
    done = threading.Event()
    with running_server(models(all_seeds[0])) as server, server.client() as client:

        def ask_again_and_again() -> list[tuple[str, str]]:
            got = []
            while not done.is_set():
                answer = client.completions.create(**ASKED)  # type: ignore[call-overload]
                got.append((answer.system_fingerprint, answer.choices[0].text))
            return got

        with ThreadPoolExecutor(6) as pool:
            asking = [pool.submit(ask_again_and_again) for _ in range(6)]
            for turn in range(1, 6):
                engine = server.slot.running[0].engine
                served = engine.statistics().tokens_generated
                server.wait_until(
                    lambda e=engine, n=served: e.statistics().tokens_generated > n + 50
                )  # type: ignore[misc]
                server.slot.replace(models(all_seeds[turn % 2]))
            done.set()
            got = [pair for task in asking for pair in task.result()]
        server.wait_until(lambda: len(server.slot.running) == 1)
        server.wait_until(
            lambda: sum("memdec-engine" in thread.name for thread in threading.enumerate()) == 1
        )
        assert client.models.list().data[0].id == "base"
    assert {fingerprint for fingerprint, _text in got} == set(answers)
    assert all(text == answers[fingerprint] for fingerprint, text in got)


def test_an_old_engine_stays_open_for_those_who_have_it() -> None:
    slot = EngineSlot(models(), EngineLimits())
    with slot.borrow() as old:
        slot.replace(models((4, 5, 6)))
        assert len(slot.running) == 2
        assert old.engine.is_alive
        with slot.borrow() as new:
            assert new is not old
    assert [serving.catalog for serving in slot.running] == [new.catalog]
    slot.stop(grace=0)
    assert not new.engine.is_alive
    for refused in (slot.check, slot.borrow().__enter__):
        with pytest.raises(ApiError, match="shutting down"):
            refused()


def test_a_slot_without_a_living_engine_says_so() -> None:
    slot = EngineSlot(models(), EngineLimits())
    slot.check()
    slot.running[0].engine.close(drain=False)
    with pytest.raises(ApiError, match="engine has ended") as ended:
        slot.check()
    assert ended.value.status_code == 503
