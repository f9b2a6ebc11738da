"""Many clients for a while: no request is lost, and memory does not grow.

Some seconds by default; MEMDEC_SOAK_SECONDS=120 for a real one.
"""

import asyncio
import ctypes
import gc
import os
import random
import sys
import time
from collections import Counter

import httpx
import psutil
import pytest

from tasks.serving.server_settings import ServerSettings
from tests.services.running_server import RunningServer, models, running_server

CLIENTS = 64
SECONDS = float(os.environ.get("MEMDEC_SOAK_SECONDS", "5"))
MOST_GROWTH = 30e6
"""Bytes that the second half of the time may add; lost sequences' caches would add far more."""


async def one_client(
    client: httpx.AsyncClient, number: int, until: float, seen: Counter[str]
) -> None:
    """Asks and asks, until one answer at least; one in eight is left unread in the middle."""
    chance = random.Random(number)
    answered = False
    while time.monotonic() < until or not answered:
        wanted = chance.randrange(1, 60)
        body = {
            "model": chance.choice(["base", "law", "biomed"]),
            "prompt": [chance.randrange(1, 390) for _ in range(chance.randrange(1, 80))],
            "max_tokens": wanted,
            "temperature": chance.choice([0, 1]),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        leaves = chance.random() < 0.125
        async with client.stream("POST", "/v1/completions", json=body) as answer:
            if answer.status_code == 429:
                seen["refused"] += 1
                continue
            assert answer.status_code == 200
            lines = []
            async for line in answer.aiter_lines():
                lines += [line] if line else []
                if leaves:
                    break
        if leaves:
            seen["left"] += 1
        else:
            answered = True
            seen["answered" if lines[-1] == "data: [DONE]" else "lost"] += 1
            assert f'"completion_tokens":{wanted}' in lines[-2].replace(" ", "")


async def all_clients(server: RunningServer, seconds: float) -> Counter[str]:
    seen: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits) as client:
        until = time.monotonic() + seconds
        await asyncio.gather(*(one_client(client, n, until, seen) for n in range(CLIENTS)))
    return seen


def held_bytes() -> int:
    """Memory of this process, without what is only kept for later use."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    resident: int = psutil.Process().memory_info().rss
    return resident


@pytest.mark.slow
def test_many_clients_lose_nothing_and_leak_nothing(one_thread: None) -> None:
    settings = ServerSettings(port=0, max_queue=48, grace=5)
    with running_server(models(), settings) as server:
        first = asyncio.run(all_clients(server, SECONDS / 2))
        server.wait_until_idle()
        before = held_bytes()
        second = asyncio.run(all_clients(server, SECONDS / 2))
        server.wait_until_idle()
        grown = held_bytes() - before
        finished = server.slot.running[0].engine.statistics().requests_finished
    seen = first + second
    print(f"{dict(seen)}; {grown / 1e6:.1f} MB more in the second half")  # noqa: T201 - with -s
    assert seen["lost"] == 0
    assert seen["answered"] >= 2 * CLIENTS
    assert seen["left"] > 0
    assert finished["length"] >= seen["answered"]
    assert sum(finished.values()) == seen["answered"] + seen["left"]
    assert grown < MOST_GROWTH
