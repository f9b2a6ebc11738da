import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.services.running_server import RunningServer, models, running_server

ASKED = {"model": "law", "prompt": "x", "max_tokens": 7}
LONG = {"n": 32, "max_tokens": 250, "stream": True}


def metrics(server: RunningServer) -> dict[tuple[str, ...], float]:
    page = httpx.get(f"{server.url}/metrics")
    assert page.headers["Content-Type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def test_requests_tokens_and_times_are_counted(one_thread: None) -> None:
    with running_server(models()) as server:
        url = f"{server.url}/v1/completions"
        for body in (ASKED, ASKED | {"n": 2}, ASKED | {"model": "base"}, ASKED | {"n": 0}):
            httpx.post(url, json=body)
        httpx.get(f"{server.url}/nowhere")
        with httpx.stream("POST", url, json=ASKED | LONG) as gone:
            lines = gone.iter_lines()
            next(lines)
            during = metrics(server)
        server.wait_until_idle()
        server.wait_until(
            lambda: ("memdec_requests_total", "/v1/completions", "499") in metrics(server)
        )
        after = metrics(server)
    assert during["memdec_running_sequences",] == 32
    assert after["memdec_running_sequences",] == after["memdec_waiting_sequences",] == 0
    assert after["memdec_requests_total", "/v1/completions", "200"] == 3
    assert after["memdec_requests_total", "/v1/completions", "400"] == 1
    assert after["memdec_requests_total", "none", "404"] == 1
    assert after["memdec_generated_tokens_total", "base"] == 7
    assert 22 <= after["memdec_generated_tokens_total", "law"] < 21 + 32 * 250
    assert after["memdec_request_seconds_count", "/v1/completions"] == 5
    assert after["memdec_time_to_first_token_seconds_count",] == 4
    assert 0 < after["memdec_time_to_first_token_seconds_sum",] < 60
