"""The server with 16 clients at a time, beside the same requests one after another.

Clients and server share one process, which makes the ratio smaller than it is for others.
"""

import asyncio
from functools import partial

import httpx
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from memdec_core.models.language_model import TransformerLM
from memdec_core.serving.models import ServedModels
from tasks.serving.engine_slot import ServedSet
from tasks.serving.model_catalog import ModelCatalog, ServedMemory
from tests.benchmarks.interleaved import BenchRow, Work, compare
from tests.services.running_server import running_server
from tests.support.tiny_models import tiny_tokenizer

VOCABULARY = 8192
REQUESTS, PROMPT, NEW = 16, 32, 48


def run() -> list[BenchRow]:
    """A base of 4 layers of width 192 with a memory of 2 layers of width 128."""
    return [
        compare(
            "serving",
            f"{REQUESTS} requests of {NEW} tokens, all at once and one by one",
            "tokens",
            ours=partial(side, REQUESTS),
            reference=partial(side, 1),
        )
    ]


def side(at_once: int) -> Work:
    """Answers all requests, so many at a time."""
    served = _served()

    def work() -> int:
        with running_server(served) as server:
            return asyncio.run(_ask(server.url, at_once))

    return work


async def _ask(url: str, at_once: int) -> int:
    turns = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:

        async def one(number: int) -> int:
            body = {
                "model": "m",
                "prompt": [1 + number * PROMPT + place for place in range(PROMPT)],
                "max_tokens": NEW,
            }
            async with turns:
                answer = await client.post("/v1/completions", json=body)
            return int(answer.raise_for_status().json()["usage"]["completion_tokens"])

        return sum(await asyncio.gather(*map(one, range(REQUESTS))))


def _served() -> ServedSet:
    torch.manual_seed(0)
    base, memory = (
        TransformerLM(
            GPT2LMHeadModel(
                GPT2Config(vocab_size=VOCABULARY, n_embd=width, n_layer=layers, n_head=heads)
            ),
            VOCABULARY,
        )
        for width, layers, heads in ((192, 4, 4), (128, 2, 2))
    )
    catalog = ModelCatalog(
        "b",
        [ServedMemory("m", 0.5, "memory/m", None)],
        tiny_tokenizer(),
        frozenset(),
        "random",
        1_700_000_000,
    )
    return ServedSet(ServedModels(base, (memory,), (0.5,)), catalog)
