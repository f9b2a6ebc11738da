"""A request's sequences leave the engine when its client, its time or the server is gone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from tasks.serving.server_settings import ServerSettings
from tests.services.running_server import RunningServer, models, running_server

LONG = {"model": "law", "prompt": "The memory", "max_tokens": 200, "n": 8}


def stream_lines(server: RunningServer, body: dict[str, object]) -> Iterator[str]:
    url = f"{server.url}/v1/completions"
    with httpx.stream("POST", url, json=body | {"stream": True}, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield from (line for line in answer.iter_lines() if line)


def cancelled(server: RunningServer) -> int:
    engine = server.slot.running[0].engine
    return engine.statistics().requests_finished.get("cancelled", 0)


def test_a_client_that_leaves_a_stream_frees_its_rows(server: RunningServer) -> None:
    before = cancelled(server)
    lines = stream_lines(server, LONG)
    assert next(lines).startswith("data: {")
    assert server.sequences() == 8
    lines.close()
    server.wait_until_idle()
    assert cancelled(server) == before + 8


def test_a_client_that_does_not_wait_for_its_answer_frees_its_rows(server: RunningServer) -> None:
    before = cancelled(server)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/completions", json=LONG, timeout=0.2)
    server.wait_until(lambda: cancelled(server) == before + 8)
    assert server.sequences() == 0


def test_a_stream_ends_with_done(server: RunningServer) -> None:
    lines = list(stream_lines(server, LONG | {"max_tokens": 3, "n": 1}))
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: {") for line in lines[:-1])


def test_a_request_that_takes_too_long_gets_504(one_thread: None) -> None:
    settings = ServerSettings(port=0, request_timeout=0.15, grace=5)
    with running_server(models(), settings) as server, server.client() as client:
        with pytest.raises(openai.APIStatusError) as late:
            client.completions.create(**LONG)  # type: ignore[call-overload]
        assert (late.value.status_code, late.value.code) == (504, "timeout")
        with pytest.raises(openai.APIError, match="took too long"):
            list(client.completions.create(**LONG, stream=True))  # type: ignore[call-overload]
        server.wait_until_idle()


def test_requests_that_find_the_queue_full_get_429(one_thread: None) -> None:
    settings = ServerSettings(port=0, max_batch=1, max_queue=2, grace=5)
    with running_server(models(), settings) as server, server.client() as client:
        running = stream_lines(server, LONG | {"n": 1})
        next(running)
        waiting = [stream_lines(server, LONG | {"n": 1, "max_tokens": 2}) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            first = [pool.submit(list, lines) for lines in waiting]
            server.wait_until(lambda: server.sequences() == 3)
            with pytest.raises(openai.RateLimitError) as refused:
                client.completions.create(**LONG | {"n": 1})  # type: ignore[call-overload]
            assert refused.value.response.headers["Retry-After"] == "1"
            assert refused.value.code == "queue_full"
            running.close()
            assert [task.result()[-1] for task in first] == ["data: [DONE]"] * 2
        # a request of which only a part fits leaves nothing behind
        with pytest.raises(openai.RateLimitError):
            client.completions.create(**LONG)  # type: ignore[call-overload]
        server.wait_until_idle()


def test_a_server_that_stops_finishes_what_runs_and_takes_nothing_new(one_thread: None) -> None:
    with running_server(models(), ServerSettings(port=0, grace=60)) as server:
        lines = stream_lines(server, LONG)
        next(lines)
        server.stop()
        server.wait_until(lambda: httpx.get(f"{server.url}/health").status_code == 503)
        refused = httpx.post(f"{server.url}/v1/completions", json=LONG)
        assert refused.status_code == 503
        assert refused.json()["error"]["type"] == "service_unavailable"
        rest = list(lines)
        assert rest[-1] == "data: [DONE]"
        assert sum('"finish_reason": "length"' in line for line in rest) == 8
    assert not server.slot.running[0].engine.is_alive


@pytest.mark.parametrize("hurried", [False, True])
def test_what_is_not_finished_within_the_grace_is_cut_off(one_thread: None, hurried: bool) -> None:
    grace = 60 if hurried else 0.1
    with running_server(models(), ServerSettings(port=0, grace=grace)) as server:
        lines = stream_lines(server, LONG | {"n": 32})
        next(lines)
        server.stop()
        if hurried:
            server.slot.hurry()
        assert "shutting down" in list(lines)[-1]
