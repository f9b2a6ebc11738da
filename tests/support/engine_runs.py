"""Requests to an engine, and the same answered one by one, without a cache, in float64."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from memdec_core.models.language_model import TransformerLM
from memdec_core.serving.engine import Engine, Ticket
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from memdec_core.serving.request import (
    DecodingRequest,
    Event,
    Finished,
    PromptScores,
    TokenScores,
)
from tests.support.tiny_models import tiny_model

VOCAB = 390
PATIENCE = 120.0
SHORT = DecodingRequest(prompt=(5, 17, 200), max_new_tokens=6, temperature=0)
LONG = DecodingRequest(prompt=(9, 3), max_new_tokens=200, temperature=0)


class Receiver:
    """Keeps the events of one request; `hold` is called at every one, in the engine's thread."""

    def __init__(self, hold: Callable[[Event], None] = lambda _: None) -> None:
        self.events: list[Event] = []
        self._hold = hold
        self._done = threading.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Finished):
            self._done.set()
        self._hold(event)

    def finished(self) -> Finished:
        assert self._done.wait(PATIENCE), "the request was never finished"
        assert isinstance(self.events[-1], Finished)
        assert sum(isinstance(event, Finished) for event in self.events) == 1
        return self.events[-1]

    @property
    def tokens(self) -> list[int]:
        return [event.token for event in self.scores]

    @property
    def scores(self) -> list[TokenScores]:
        return [event for event in self.events if isinstance(event, TokenScores)]

    @property
    def prompt(self) -> list[TokenScores]:
        assert isinstance(self.events[0], PromptScores)
        return list(self.events[0].tokens)


def two_models() -> ServedModels:
    """A base and a memory of other architectures, widths and padded vocabularies."""
    base = TransformerLM(tiny_model("gpt2", seed=1, width=64), VOCAB)
    memory = TransformerLM(tiny_model("qwen2", seed=2, vocab_size=416), VOCAB)
    return ServedModels(base, (memory,), (0.6,))


def three_models() -> ServedModels:
    base, (memory,), _ = two_models()
    second = TransformerLM(tiny_model("llama", seed=3, vocab_size=448), VOCAB)
    return ServedModels(base, (memory, second), (0.3, 0.2))


def answer(
    models: ServedModels, requests: list[DecodingRequest], limits: EngineLimits | None = None
) -> list[Receiver]:
    """What an engine of its own gives to requests sent at once."""
    receivers = [Receiver() for _ in requests]
    with Engine(models, limits or EngineLimits()) as engine:
        for request, receiver in zip(requests, receivers, strict=True):
            engine.submit(request, receiver)
        for receiver in receivers:
            receiver.finished()
    return receivers


class Reference(NamedTuple):
    """What one request should give.

    Attributes:
        tokens: New ids.
        log_probs_TV: Of the mixture, where each of them was chosen, float64.
        parts_PTV: Of every part.
        margins: By how much each chosen score exceeded the next one.
    """

    tokens: list[int]
    log_probs_TV: NDArray[np.float64]
    parts_PTV: NDArray[np.float64]
    margins: list[float]


def mixed_log_probs(
    models: ServedModels, weights: tuple[float, ...], tokens: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mixture (T, V) and parts (P, T, V) after every token, all read anew."""
    ids_1T = torch.tensor([tokens])
    parts_PTV = np.stack([part.log_probs(ids_1T)[0].double().numpy() for part in models.parts])
    shares_P = np.array([1 - sum(weights), *weights])
    with np.errstate(divide="ignore"):
        return np.log(np.einsum("p,ptv->tv", shares_P, np.exp(parts_PTV))), parts_PTV


def reference(models: ServedModels, request: DecodingRequest) -> Reference:
    """Decode one request by a plain loop."""
    tokens, chosen = list(request.prompt), []
    weights = models.weights if request.weights is None else request.weights
    generator = torch.Generator().manual_seed(request.seed or 0)
    mixture, parts, margins = [], [], []
    while len(chosen) < request.max_new_tokens:
        mixed_TV, parts_PTV = mixed_log_probs(models, weights, tokens)
        scores_V = mixed_TV[-1].copy()
        for token, uses in Counter(chosen).items():
            scores_V[token] -= request.frequency_penalty * uses + request.presence_penalty
        for token, bias in request.logit_bias.items():
            scores_V[token] += bias
        token = _choice(scores_V, request, generator)
        if token in request.stop_tokens:
            break
        ordered = np.sort(scores_V)
        margins.append(float(ordered[-1] - ordered[-2]))
        mixture.append(mixed_TV[-1])
        parts.append(parts_PTV[:, -1])
        chosen.append(token)
        tokens.append(token)
    parts_TPV = np.array(parts).reshape(len(chosen), len(models.parts), -1 if chosen else VOCAB)
    mixed_TV = np.array(mixture).reshape(len(chosen), -1 if chosen else VOCAB)
    return Reference(chosen, mixed_TV, parts_TPV.swapaxes(0, 1), margins)


def _choice(
    scores_V: NDArray[np.float64], request: DecodingRequest, generator: torch.Generator
) -> int:
    if request.temperature == 0:
        return int(scores_V.argmax())
    powers_V = np.exp((scores_V - scores_V.max()) / request.temperature)
    probs_V = powers_V / powers_V.sum()
    if request.top_p < 1:
        total = 0.0
        kept = np.zeros_like(probs_V)
        for token in np.argsort(-probs_V, kind="stable"):
            kept[token] = probs_V[token]
            total += probs_V[token]
            if total >= request.top_p:
                break
        probs_V = kept
    draw = 1 - float(torch.rand(1, generator=generator, dtype=torch.float64))
    cumulated_V = np.cumsum(probs_V)
    return int(np.argmax(cumulated_V >= draw * cumulated_V[-1]))


def check(models: ServedModels, request: DecodingRequest, receiver: Receiver) -> None:
    """Compare an answer with the loop's."""
    expected = reference(models, request)
    assert receiver.tokens == expected.tokens
    places = np.arange(len(expected.tokens))
    np.testing.assert_allclose(
        [scores.log_prob for scores in receiver.scores],
        expected.log_probs_TV[places, expected.tokens],
        atol=1e-4,
    )
    np.testing.assert_allclose(
        np.array([scores.part_log_probs for scores in receiver.scores]).ravel(),
        expected.parts_PTV[:, places, expected.tokens].T.ravel(),
        atol=1e-4,
    )
    for scores, row_V in zip(receiver.scores, expected.log_probs_TV, strict=True):
        check_top(scores, row_V, request.top_log_probs)


def check_top(scores: TokenScores, log_probs_V: NDArray[np.float64], count: int) -> None:
    largest = np.sort(log_probs_V)[::-1][:count]
    np.testing.assert_allclose([value for _, value in scores.top], largest, atol=1e-4)
    np.testing.assert_allclose([log_probs_V[token] for token, _ in scores.top], largest, atol=1e-4)


def accept_all(
    engine: Engine, requests: list[DecodingRequest]
) -> tuple[list[Ticket], list[Receiver]]:
    receivers = [Receiver() for _ in requests]
    pairs = zip(requests, receivers, strict=True)
    return [engine.submit(request, receiver) for request, receiver in pairs], receivers


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.002)


def check_start(models: ServedModels, request: DecodingRequest, receiver: Receiver) -> None:
    """As `check`, of the first tokens of a long answer."""
    start = request.model_copy(update={"max_new_tokens": 30})
    assert receiver.tokens[:30] == reference(models, start).tokens


class Gate:
    """Holds the engine's thread at the first token of a request until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, TokenScores) and not self.reached.is_set():
            self.reached.set()
            assert self.opened.wait(PATIENCE)


def held(engine: Engine, request: DecodingRequest) -> tuple[Gate, Receiver]:
    """A request whose first token holds the engine."""
    gate = Gate()
    receiver = Receiver(gate)
    engine.submit(request, receiver)
    assert gate.reached.wait(PATIENCE)
    return gate, receiver
