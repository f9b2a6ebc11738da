from collections.abc import Iterable

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.services.running_server import (
    TOKENIZER,
    greedy,
    models,
    reference,
    running_server,
)

MESSAGES = [
    {"role": "system", "content": "Say little."},
    {"role": "user", "content": [{"type": "text", "text": "What follows "}] * 2},
]
SPELLED = "system: Say little.\nuser: What follows What follows \nassistant:"
IDS: list[int] = TOKENIZER(SPELLED, add_special_tokens=False)["input_ids"]


def chat(client: openai.OpenAI, **fields: object) -> ChatCompletion:
    asked = {"model": "law", "messages": MESSAGES, "temperature": 0, "max_tokens": 10} | fields
    return client.chat.completions.create(**asked)  # type: ignore[call-overload,no-any-return]


def test_the_chat_template_spells_the_prompt(client: openai.OpenAI) -> None:
    answer = chat(client)
    expected = TOKENIZER.decode(greedy(reference(), IDS, 10))
    assert answer.choices[0].message.content == expected
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "length"
    assert answer.object == "chat.completion"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(IDS)
    newer = chat(client, max_tokens=openai.omit, max_completion_tokens=10)
    assert newer.choices[0].message.content == expected


def test_a_stream_is_the_whole_answer_in_parts(client: openai.OpenAI) -> None:
    fields: dict[str, object] = {
        "temperature": 1,
        "seed": 5,
        "n": 2,
        "max_tokens": 30,
        "logprobs": True,
        "top_logprobs": 2,
    }
    whole = chat(client, **fields)
    parts: Iterable[ChatCompletionChunk] = chat(  # type: ignore[assignment]
        client, stream=True, stream_options={"include_usage": True}, **fields
    )
    *chunks, last = parts
    assert last.usage == whole.usage
    for choice in whole.choices:
        mine = [part.choices[0] for part in chunks if part.choices[0].index == choice.index]
        assert mine[0].delta.role == "assistant"
        assert "".join(part.delta.content or "" for part in mine) == choice.message.content
        assert mine[-1].finish_reason == "length"
        assert choice.logprobs is not None
        told = [x for part in mine if part.logprobs for x in part.logprobs.content or []]
        tokens = choice.logprobs.content or []
        assert [x.token for x in told] == [x.token for x in tokens]
        assert all(len(x.top_logprobs) == 2 for x in told)
        spelled = b"".join(bytes(x.bytes or []) for x in told)
        assert spelled.decode(errors="replace") == choice.message.content
        assert len(tokens) == 30


def test_without_a_limit_the_answer_fills_the_context(client: openai.OpenAI) -> None:
    answer = chat(client, max_tokens=openai.omit)
    assert answer.usage is not None
    assert answer.usage.total_tokens == 256


def test_a_tokenizer_without_a_template_is_the_clients_mistake() -> None:
    with running_server(models(chat=False)) as server, server.client() as own:
        with pytest.raises(openai.BadRequestError, match="no chat template") as refused:
            chat(own)
        assert refused.value.code == "no_chat_template"


def test_a_conversation_that_the_template_refuses_is_the_clients_mistake(
    client: openai.OpenAI,
) -> None:
    with pytest.raises(openai.BadRequestError, match="begin with the user"):
        chat(client, messages=[{"role": "assistant", "content": "I begin."}])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "`tools` is not supported"),
        ({"response_format": {"type": "json_object"}}, "`response_format` is not supported"),
        ({"top_logprobs": 2}, "`top_logprobs` needs `logprobs`"),
        ({"max_completion_tokens": 3}, "differ"),
        ({"messages": []}, "`messages`"),
        ({"messages": [{"role": "poet", "content": "x"}]}, "`messages.0.role`"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "`messages.0.c"),
        ({"echo": True}, "unknown field `echo`"),
    ],
)
def test_what_is_not_understood_is_refused(
    client: openai.OpenAI, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        chat(client, extra_body=fields)
