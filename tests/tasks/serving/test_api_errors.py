"""Whatever goes wrong, the answer has OpenAI's shape, and its client raises what it should."""

import json

import httpx
import openai
import pytest

from tasks.serving.server_settings import ServerSettings
from tests.services.running_server import KEY, RunningServer, models, running_server

GOOD = {"model": "law", "prompt": "x", "max_tokens": 2}


def post(server: RunningServer, body: object, path: str = "completions") -> httpx.Response:
    return httpx.post(f"{server.url}/v1/{path}", json=body, timeout=30)


def error_of(answer: httpx.Response) -> dict[str, str | None]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, str | None] = body["error"]
    return error


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"prompt": 3}, "prompt", "valid string"),
        ({"prompt": []}, "prompt", "empty list"),
        ({"prompt": [-1]}, "prompt", "greater than or equal to 0"),
        ({"prompt": [400]}, None, "token id 400"),
        ({"prompt": "x " * 300}, "prompt", "exceed the context of 256"),
        ({"max_tokens": 256}, "prompt", "exceed the context of 256"),
        ({"max_tokens": 10**6}, "max_tokens", "at most 4096"),
        ({"max_tokens": 0}, None, "without `echo`"),
        ({"max_tokens": "5"}, "max_tokens", "valid integer"),
        ({"temperature": 2.1}, "temperature", "less than or equal to 2"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"n": 129}, "n", "at most 128"),
        ({"best_of": 2}, None, "`best_of` has to be `n`"),
        ({"suffix": "end"}, "suffix", "only continue"),
        ({"stop": list("abcde")}, "stop", "at most 4"),
        ({"stop": ""}, "stop", "at least 1"),
        ({"logprobs": 21}, "logprobs", "less than or equal to 20"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "`x` is no token id"),
        ({"logit_bias": {"400": 1}}, None, "token id 400"),
        ({"colour": "red"}, "colour", "unknown field `colour`"),
        ({"alpha": 1.5}, "alpha", "less than or equal to 1"),
        ({"alpha": 0.5, "model": "base"}, "alpha", "`base` has none"),
        ({"memories": {"x": 0.5}}, "memories", "`x` is no memory"),
        ({"memories": {"law": "a lot"}}, "memories.law", "valid number"),
        ({"stream_options": {"x": 1}}, "stream_options.x", "unknown field"),
    ],
)
def test_mistakes_name_the_field(
    server: RunningServer, change: dict[str, object], param: str | None, message: str
) -> None:
    answer = post(server, GOOD | change)
    error = error_of(answer)
    assert answer.status_code == 400
    assert error["param"] == param
    assert message in str(error["message"])
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"prompt": "the \ud800court"}, "`prompt`: character 5"),
        ({"prompt": ["x", "\udfff"]}, "`prompt`: character 1"),
        ({"stop": "\ud800"}, "`stop`"),
        ({"model": "l\ud800"}, "`model`"),
        ({"user": "\ud800"}, "`user`"),
        ({"memories": {"\ud800": 0.1}}, "`memories`"),
        ({"\ud800": 1}, "the body"),
    ],
)
def test_half_a_surrogate_pair_is_a_mistake_wherever_it_is(
    server: RunningServer, change: dict[str, object], where: str
) -> None:
    content = json.dumps(GOOD | change)
    answer = httpx.post(
        f"{server.url}/v1/completions", content=content,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 400
    said = str(error_of(answer)["message"])
    assert where in said
    assert "is not valid Unicode (U+D" in said


def test_half_a_surrogate_pair_in_a_conversation_is_a_mistake(server: RunningServer) -> None:
    parts = [{"type": "text", "text": "\ud83d"}]
    for content in ("\ud83d", parts):
        body = {"model": "law", "messages": [{"role": "user", "content": content}]}
        answer = httpx.post(
            f"{server.url}/v1/chat/completions", content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 400
        assert "(U+D83D)" in str(error_of(answer)["message"])


def test_null_is_as_good_as_absent(server: RunningServer) -> None:
    fields = ("suffix", "best_of", "stop", "logprobs", "user", "seed", "n", "stream", "alpha")
    assert post(server, GOOD | dict.fromkeys(fields)).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'"text"', b'{"a": NaN}'])
def test_a_body_that_is_no_request_is_refused(server: RunningServer, content: bytes) -> None:
    for headers in ({"Content-Type": "application/json"}, {}):
        answer = httpx.post(f"{server.url}/v1/completions", content=content, headers=headers)
        assert answer.status_code == 400
        assert error_of(answer)["message"]


def test_a_model_that_is_not_served_is_not_found(
    server: RunningServer, client: openai.OpenAI
) -> None:
    with pytest.raises(openai.NotFoundError, match="there are `base`, `law`, `biomed`") as missing:
        client.completions.create(model="medicine", prompt="x")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("medicine")
    assert (
        post(
            server,
            {"model": "medicine", "messages": [{"role": "user", "content": "x"}]},
            "chat/completions",
        ).status_code
        == 404
    )


def test_a_path_and_a_method_that_are_not_there(server: RunningServer) -> None:
    missing = httpx.get(f"{server.url}/v1/embeddings")
    assert (missing.status_code, error_of(missing)["type"]) == (404, "not_found_error")
    wrong = httpx.get(f"{server.url}/v1/completions")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
    assert error_of(wrong)["message"] == "Method Not Allowed"


def test_models_are_listed_with_their_tuned_weights(client: openai.OpenAI) -> None:
    listed = client.models.list().data
    assert [(model.id, model.memdec) for model in listed] == [  # type: ignore[attr-defined]
        ("base", {"alpha": 0.0, "base": "tiny"}),
        ("law", {"alpha": 0.3, "base": "tiny", "memory": "memory/1", "release": 1}),
        ("biomed", {"alpha": 0.6, "base": "tiny", "memory": "memory/2", "release": 2}),
    ]
    assert client.models.retrieve("law") == listed[1]


def test_health_says_which_models_and_releases_answer(server: RunningServer) -> None:
    said = httpx.get(f"{server.url}/health").json()
    assert said == {
        "status": "ok",
        "system_fingerprint": server.slot.running[0].catalog.fingerprint,
        "releases": {"law": 1, "biomed": 2},
    }


def test_who_has_no_key_is_turned_away(one_thread: None) -> None:
    settings = ServerSettings(port=0, api_key=KEY, grace=5)
    with running_server(models(), settings) as server:
        with server.client() as right, server.client("another") as wrong:
            assert right.completions.create(**GOOD).choices
            for attempt in (wrong.models.list, lambda: wrong.completions.create(**GOOD)):
                with pytest.raises(openai.AuthenticationError) as refused:
                    attempt()
                assert refused.value.code == "invalid_api_key"
        for headers in ({}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}):
            for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere"):
                answer = httpx.get(server.url + path, headers=headers)
                assert answer.status_code == 401
                assert error_of(answer)["type"] == "authentication_error"
        # a body is not looked at without the key
        assert post(server, "no request").status_code == 401
        for path in ("/", "/health"):
            assert httpx.get(server.url + path).status_code == 200


def test_a_body_that_is_too_large_is_not_read(one_thread: None) -> None:
    settings = ServerSettings(port=0, max_body_bytes=1000, grace=5)
    with running_server(models(), settings) as server:
        assert post(server, GOOD | {"prompt": "x" * 200}).status_code == 200
        large = GOOD | {"prompt": "x" * 2000}
        pieces = iter([b'{"prompt": "', b"x" * 600, b"x" * 600, b'"}'])  # of unknown length
        headers = {"Content-Type": "application/json"}
        url = f"{server.url}/v1/completions"
        for answer in (post(server, large), httpx.post(url, content=pieces, headers=headers)):
            assert answer.status_code == 413
            assert error_of(answer)["code"] == "body_too_large"
