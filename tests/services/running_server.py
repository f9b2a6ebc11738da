"""A real server in a thread of the test, over tiny models, and OpenAI's own client for it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import openai
import torch

from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from tasks.serving.engine_slot import EngineSlot, ServedSet
from tasks.serving.model_catalog import ModelCatalog, ServedMemory
from tasks.serving.run_server import listening_socket, serve
from tasks.serving.server_settings import ServerSettings
from tests.support.tiny_models import tiny_model, tiny_tokenizer

KEY = "a key of the tests"
ALPHAS = {"law": 0.3, "biomed": 0.6}
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if messages[0].role == 'assistant' %}{{ raise_exception('begin with the user') }}"
    "{% endif %}assistant:"
)
TOKENIZER = tiny_tokenizer()


@dataclass
class RunningServer:
    """A server that answers at `url` while its context lasts."""

    url: str
    slot: EngineSlot
    stop: Callable[[], None]

    def client(self, key: str = KEY) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60)

    def wait_until_idle(self) -> None:
        """Returns once the engine has no sequence left; fails after some seconds."""
        self.wait_until(lambda: self.sequences() == 0)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "the server did not get there in 20 seconds"
            time.sleep(0.01)

    def sequences(self) -> int:
        """Sequences that the engines decode or keep waiting."""
        counts = [serving.engine.statistics() for serving in self.slot.running]
        return sum(count.running + count.waiting for count in counts)


def part(seed: int) -> TransformerLM:
    """A model with random weights that is sure enough of what follows to tell it from others."""
    model = tiny_model("llama", seed=seed, width=64)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(8)
    return TransformerLM(model, 400)


def models(
    seeds: Sequence[int] = (1, 2, 3),
    *,
    chat: bool = True,
    stop_tokens: frozenset[int] = frozenset(),
) -> ServedSet:
    """A base and memories `law` and `biomed`, with random weights; a seed each."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE if chat else None
    base, *memories = map(part, seeds)
    named = [
        ServedMemory(name, alpha, f"memory/{number}", number)
        for number, (name, alpha) in enumerate(ALPHAS.items(), 1)
    ][: len(memories)]
    catalog = ModelCatalog("tiny", named, tokenizer, stop_tokens, f"seeds{seeds}", 1_700_000_000)
    return ServedSet(ServedModels(base, tuple(memories), (0.0,) * len(memories)), catalog)


def reference(model: str = "law", alpha: float | None = None) -> LanguageModel:
    """What `models()` serves under a name, as one uncached language model."""
    base, law, biomed = map(part, (1, 2, 3))
    if model == "base":
        return base
    memory = {"law": law, "biomed": biomed}[model]
    return MixtureLM(base, memory, ALPHAS[model] if alpha is None else alpha)


def greedy(lm: LanguageModel, prompt: Sequence[int], new: int) -> list[int]:
    """The most probable continuation, by a loop without a cache."""
    tokens = list(prompt)
    for _ in range(new):
        tokens.append(int(lm.log_probs(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


@contextmanager
def running_server(
    served: ServedSet, settings: ServerSettings | None = None
) -> Iterator[RunningServer]:
    """Serves until the block ends."""
    settings = settings or ServerSettings(port=0, grace=5)
    limits = EngineLimits(max_batch=settings.max_batch, max_queue=settings.max_queue)
    slot = EngineSlot(served, limits)
    ready = threading.Event()
    running = RunningServer("", slot, lambda: None)

    async def run() -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()

        def is_ready(url: str) -> None:
            running.url = url
            running.stop = lambda: loop.call_soon_threadsafe(stopping.set)
            ready.set()

        with listening_socket(settings) as listener:
            await serve(slot, settings, listener, is_ready, stopping)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(30)
        yield running
    finally:
        if thread.is_alive():
            running.stop()
        thread.join(30)
    assert not thread.is_alive()
