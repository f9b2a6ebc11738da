"""OpenAI's client gets from the server what an uncached loop over the models gives."""

import math
from collections import defaultdict

import openai
import pytest
import torch
from openai.types import Completion

from tasks.serving.event_mailbox import Batch, EventMailbox
from tests.services.running_server import (
    TOKENIZER,
    RunningServer,
    greedy,
    models,
    reference,
    running_server,
)

PROMPT = "The memory of a small model"
IDS: list[int] = TOKENIZER(PROMPT, add_special_tokens=False)["input_ids"]


def complete(client: openai.OpenAI, **fields: object) -> Completion:
    asked = {"model": "law", "prompt": PROMPT, "temperature": 0, "max_tokens": 12} | fields
    return client.completions.create(**asked)  # type: ignore[call-overload,no-any-return]


def streamed(client: openai.OpenAI, **fields: object) -> list[Completion]:
    return list(complete(client, stream=True, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["base", "law", "biomed"])
def test_greedy_text_is_that_of_an_uncached_loop(client: openai.OpenAI, model: str) -> None:
    answer = complete(client, model=model)
    tokens = greedy(reference(model), IDS, 12)
    assert len(set(tokens)) > 2
    assert answer.choices[0].text == TOKENIZER.decode(tokens)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": len(IDS),
        "completion_tokens": 12,
        "total_tokens": len(IDS) + 12,
    }
    assert (answer.object, answer.model) == ("text_completion", model)


def test_alpha_is_the_weight_of_the_models_memory(client: openai.OpenAI) -> None:
    answer = complete(client, extra_body={"alpha": 0.9})
    assert answer.choices[0].text == TOKENIZER.decode(greedy(reference("law", 0.9), IDS, 12))
    nothing = complete(client, extra_body={"alpha": 0}, temperature=1, seed=4)
    assert (
        nothing.choices[0].text
        == complete(client, model="base", temperature=1, seed=4).choices[0].text
    )


def test_memories_are_mixed_as_the_request_says(client: openai.OpenAI) -> None:
    weights = {"law": 0.5, "biomed": 0.3}
    answer = complete(
        client, model="base", logprobs=0, extra_body={"memories": weights}, max_tokens=1
    )
    parts = [reference("base"), reference("law", 1.0), reference("biomed", 1.0)]
    base, law, biomed = (
        part.log_probs(torch.tensor([IDS]))[0, -1].double().exp() for part in parts
    )
    mixed = 0.2 * base + 0.5 * law + 0.3 * biomed
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.token_logprobs == [
        pytest.approx(math.log(float(mixed.max())), abs=1e-5)
    ]


def test_prompts_come_as_texts_and_as_token_ids(client: openai.OpenAI) -> None:
    other = "Neighbours that lie near"
    ids = TOKENIZER(other, add_special_tokens=False)["input_ids"]
    texts = [complete(client, prompt=prompt).choices[0].text for prompt in (PROMPT, other)]
    for prompt in ([PROMPT, other], [IDS, ids]):
        answer = complete(client, prompt=prompt, n=2)
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
        assert [choice.text for choice in answer.choices] == [texts[0]] * 2 + [texts[1]] * 2
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == len(IDS) + len(ids)
        assert answer.usage.completion_tokens == 48
    assert complete(client, prompt=IDS).choices[0].text == texts[0]


def test_an_empty_prompt_begins_at_the_end_of_a_text(client: openai.OpenAI) -> None:
    expected = TOKENIZER.decode(greedy(reference(), [0], 12))
    for empty in ("", [[]]):
        assert complete(client, prompt=empty).choices[0].text == expected


@pytest.fixture(params=["one by one", "as they come"])
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the engine's events reach the stream; how many come together is for the load to say."""
    if request.param == "one by one":
        take, left = EventMailbox.take, defaultdict[EventMailbox, Batch](list)

        async def take_one(mailbox: EventMailbox, deadline: float) -> Batch:
            left[mailbox] = left[mailbox] or await take(mailbox, deadline)
            return [left[mailbox].pop(0)]

        monkeypatch.setattr(EventMailbox, "take", take_one)
    return str(request.param)


@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_is_the_whole_answer_in_parts(
    client: openai.OpenAI, echo: bool, at_once: str
) -> None:
    fields: dict[str, object] = {
        "temperature": 1.2,
        "seed": 8,
        "max_tokens": 40,
        "logprobs": 3,
        "echo": echo,
        "n": 2,
        "extra_body": {"memdec_probabilities": True},
    }
    whole = complete(client, **fields)
    *parts, last = streamed(client, stream_options={"include_usage": True}, **fields)
    assert last.usage == whole.usage
    assert last.choices == []
    assert len({part.id for part in parts}) == 1
    assert all(part.usage is None for part in parts)
    for choice in whole.choices:
        mine = [part.choices[0] for part in parts if part.choices[0].index == choice.index]
        assert len(mine) > 20 or at_once == "as they come"
        assert "".join(part.text for part in mine) == choice.text
        assert [part.finish_reason for part in mine] == [None] * (len(mine) - 1) + ["length"]
        assert choice.logprobs is not None
        for name in ("tokens", "text_offset"):
            joined = [x for part in mine for x in getattr(part.logprobs, name)]
            assert joined == getattr(choice.logprobs, name)
        numbers = [x for part in mine for x in (part.logprobs.token_logprobs or [])]  # type: ignore[union-attr]
        assert numbers == pytest.approx(choice.logprobs.token_logprobs, abs=1e-4)
        told = [x["token"] for part in mine for x in part.memdec]  # type: ignore[attr-defined]
        assert told == [x["token"] for x in choice.memdec]  # type: ignore[attr-defined]


def test_a_seed_gives_the_same_text_again(client: openai.OpenAI) -> None:
    first, again = (complete(client, temperature=1, seed=7, n=3) for _ in range(2))
    texts = [choice.text for choice in first.choices]
    assert texts == [choice.text for choice in again.choices]
    assert len(set(texts)) == 3
    assert complete(client, temperature=1, seed=8).choices[0].text == texts[1]
    unseeded = {complete(client, temperature=1).choices[0].text for _ in range(4)}
    assert len(unseeded) > 1


def test_text_ends_before_a_stop_string(client: openai.OpenAI, server: RunningServer) -> None:
    fields: dict[str, object] = {"temperature": 1, "seed": 3, "max_tokens": 100}
    whole = complete(client, **fields).choices[0].text
    stop = whole[30:33]  # within tokens and across their borders
    cut = complete(client, stop=[stop, "never there"], logprobs=0, **fields)
    assert cut.choices[0].text == whole[: whole.index(stop)]
    assert cut.choices[0].finish_reason == "stop"
    assert cut.choices[0].logprobs is not None
    assert max(cut.choices[0].logprobs.text_offset or []) < whole.index(stop)
    assert cut.usage is not None
    assert cut.usage.completion_tokens < 100
    parts = streamed(client, stop=stop, **fields)
    assert "".join(part.choices[0].text for part in parts) == whole[: whole.index(stop)]
    assert parts[-1].choices[0].finish_reason == "stop"
    server.wait_until_idle()


def test_a_stop_token_ends_the_text() -> None:
    tokens = greedy(reference("base"), IDS, 12)
    ending = tokens[5]
    with running_server(models(stop_tokens=frozenset({ending}))) as server, server.client() as own:
        choice = complete(own, model="base").choices[0]
    assert choice.finish_reason == "stop"
    assert choice.text == TOKENIZER.decode(tokens[: tokens.index(ending)])


def test_log_probabilities_are_the_models(client: openai.OpenAI) -> None:
    answer = complete(client, logprobs=4, echo=True, max_tokens=3)
    told = answer.choices[0].logprobs
    assert told is not None
    tokens = IDS + greedy(reference(), IDS, 3)
    log_probs = reference().log_probs(torch.tensor([tokens]))[0].double()
    expected = [float(log_probs[n, token]) for n, token in enumerate(tokens[1:])]
    assert told.token_logprobs == [None, *(pytest.approx(x, abs=1e-4) for x in expected)]
    assert "".join(told.tokens or []) == answer.choices[0].text == TOKENIZER.decode(tokens)
    assert told.text_offset == [len(TOKENIZER.decode(tokens[:n])) for n in range(len(tokens))]
    assert told.top_logprobs is not None
    assert told.top_logprobs[0] is None
    for position, best in enumerate(told.top_logprobs[1:]):
        assert max(best.values()) == pytest.approx(float(log_probs[position].max()), abs=1e-4)
        assert len(best) in (4, 5)  # the token itself may be one of them


def test_a_prompt_is_scored_without_a_new_token(client: openai.OpenAI) -> None:
    answer = complete(client, max_tokens=0, echo=True, logprobs=1)
    assert answer.choices[0].text == PROMPT
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].logprobs is not None
    assert len(answer.choices[0].logprobs.tokens or []) == len(IDS)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 0
    assert complete(client, max_tokens=0, echo=True).choices[0].text == PROMPT


def test_probabilities_of_base_and_memories_are_told(client: openai.OpenAI) -> None:
    answer = complete(client, extra_body={"memdec_probabilities": True}, max_tokens=2)
    tokens = greedy(reference(), IDS, 2)
    told = answer.choices[0].memdec  # type: ignore[attr-defined]
    assert [TOKENIZER.decode([token]) for token in tokens] == [each["token"] for each in told]
    for number, each in enumerate(told):
        before = torch.tensor([IDS + tokens[:number]])
        for part, value in (
            (reference("base"), each["base_prob"]),
            (reference("law", 1.0), each["memory_probs"]["law"]),
            (reference("biomed", 1.0), each["memory_probs"]["biomed"]),
            (reference("law"), each["prob"]),
        ):
            expected = float(part.log_probs(before)[0, -1, tokens[number]].exp())
            assert value == pytest.approx(expected, rel=1e-4)


def test_bias_and_penalties_reach_the_engine(client: openai.OpenAI) -> None:
    wanted = 40
    answer = complete(client, logit_bias={str(wanted): 100}, max_tokens=3)
    assert answer.choices[0].text == TOKENIZER.decode([wanted] * 3)
    plain, varied = (
        complete(client, max_tokens=30, presence_penalty=penalty, logprobs=0).choices[0].logprobs
        for penalty in (0, 2)
    )
    assert plain is not None
    assert varied is not None
    assert len(set(varied.tokens or [])) == 30 > len(set(plain.tokens or []))
