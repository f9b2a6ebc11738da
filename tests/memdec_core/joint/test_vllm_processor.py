"""The processor, driven as vLLM documents, against mixtures computed anew for every row and step.

The names of vLLM's classes are those of its interface; what stands in for the engine is a list of
requests, as the documentation draws the persistent batch.
"""

import logging
import math
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from memdec_core.errors import UserError
from memdec_core.joint.vllm_processor import MemoryLogitsProcessor
from tests.support.tiny_models import tiny_model, tiny_model_folder, tiny_tokenizer
from tests.support.tokenizer_family import longer_tokenizer

WIDTH = 512
SHARED = 400
MEMORY = tiny_model("qwen2", seed=2, vocab_size=448)
ALPHA = 0.6


class MoveDirectionality(Enum):
    UNIDIRECTIONAL = auto()
    SWAP = auto()


@dataclass(frozen=True)
class BatchUpdate:
    batch_size: int
    removed: list[int]
    added: list[tuple[int, Any, list[int] | None, list[int]]]
    moved: list[tuple[int, int, MoveDirectionality]]


def asking(**extra_args: object) -> SimpleNamespace:
    return SimpleNamespace(extra_args=extra_args or None)


@dataclass(eq=False)
class Request:
    """A request as vLLM holds it."""

    prompt: list[int]
    alpha: float | None = None
    output: list[int] = field(default_factory=list)

    def at(self, row: int) -> tuple[int, Any, list[int], list[int]]:
        params = asking() if self.alpha is None else asking(alpha=self.alpha)
        return row, params, self.prompt, self.output


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokenizer and weights of a base with ten added tokens, and of a memory without them."""
    folder = tmp_path_factory.mktemp("models")
    tiny_model_folder(
        folder, "qwen2", name="base", seed=1, tokenizer=longer_tokenizer(), vocab_size=WIDTH
    )
    tiny_model_folder(
        folder, "qwen2", name="memory", seed=2, tokenizer=tiny_tokenizer(), vocab_size=448
    )
    return folder


def config_of(folders: Path, *, max_model_len: int = 256, **additional: object) -> SimpleNamespace:
    model = SimpleNamespace(
        tokenizer=str(folders / "base"),
        tokenizer_revision=None,
        dtype=torch.float32,
        max_model_len=max_model_len,
    )
    settings = {"memdec_memory": str(folders / "memory"), "memdec_alpha": ALPHA} | additional
    return SimpleNamespace(model_config=model, additional_config=settings)


@pytest.fixture
def processor(folders: Path) -> MemoryLogitsProcessor:
    return MemoryLogitsProcessor(config_of(folders), torch.device("cpu"), False)


def expected_row(request: Request, logits: list[float], default: float = ALPHA) -> list[float]:
    """The mixture of one row in float64, from a whole forward pass of the memory."""
    alpha = default if request.alpha is None else request.alpha
    if alpha == 0:
        return logits
    tokens = torch.tensor([request.prompt + request.output])
    with torch.no_grad():
        memory = MEMORY(input_ids=tokens).logits[0, -1].tolist()
    allowed = [i for i in range(SHARED) if logits[i] > -math.inf]
    total_base = math.fsum(math.exp(logits[i]) for i in allowed)
    total_memory = math.fsum(math.exp(memory[i]) for i in allowed)
    mixed = [-math.inf] * len(logits)
    for i in allowed:
        p = alpha * math.exp(memory[i]) / total_memory
        mixed[i] = math.log(p + (1 - alpha) * math.exp(logits[i]) / total_base)
    return mixed


def check_step(processor: MemoryLogitsProcessor, batch: list[Request], rng: random.Random) -> None:
    """One sampling step: every row is as computed anew, and then has one more token."""
    logits = torch.tensor([[rng.gauss(0, 2) for _ in range(WIDTH)] for _ in batch])
    for row in range(len(batch)):
        if rng.random() < 0.3:
            logits[row, rng.sample(range(WIDTH), 200)] = -math.inf
    expected = [
        expected_row(request, row) for request, row in zip(batch, logits.tolist(), strict=True)
    ]
    got = processor.apply(logits)
    torch.testing.assert_close(got.double(), torch.tensor(expected).double(), rtol=0, atol=1e-4)
    for request in batch:
        request.output.append(rng.randrange(SHARED))


def drawn(rng: random.Random) -> Request:
    prompt = [rng.randrange(SHARED) for _ in range(rng.randint(1, 9))]
    return Request(prompt, rng.choice([None, 0, 0.25, 1.0]))


def next_update(
    batch: list[Request], finished: set[int], new: list[Request], rng: random.Random
) -> tuple[list[Request], BatchUpdate | None]:
    """The batch after a step, and its update, as vLLM's documentation builds it."""
    rows: dict[int, Request] = dict(enumerate(batch))
    free, added, moved = sorted(finished), [], []
    for request in new:
        row = free.pop(0) if free else len(rows)
        rows[row] = request
        added.append(request.at(row))
    removed = sorted(free, reverse=True)
    for row in removed:
        del rows[row]
    for row in range(len(rows)):  # condense: the lowest hole takes the highest row
        if row not in rows:
            highest = max(rows)
            rows[row] = rows.pop(highest)
            moved.append((highest, row, MoveDirectionality.UNIDIRECTIONAL))
    for _ in range(rng.randint(0, 2) if len(rows) > 1 else 0):
        a, b = rng.sample(range(len(rows)), 2)
        rows[a], rows[b] = rows[b], rows[a]
        moved.append((a, b, MoveDirectionality.SWAP))
    after = [rows[row] for row in range(len(rows))]
    changed = removed or added or moved
    return after, BatchUpdate(len(after), removed, added, moved) if changed else None


@pytest.mark.parametrize("seed", range(8))
def test_rows_follow_their_requests_through_any_changes_of_the_batch(
    processor: MemoryLogitsProcessor, seed: int
) -> None:
    rng = random.Random(seed)
    batch: list[Request] = []
    for _ in range(25):
        finished = {row for row in range(len(batch)) if rng.random() < 0.25}
        new = [drawn(rng) for _ in range(rng.choice([0, 0, 1, 2]))]
        batch, update = next_update(batch, finished, new, rng)
        processor.update_state(update)
        if batch:
            check_step(processor, batch, rng)


def test_the_documented_example_of_fewer_new_than_finished_requests(
    processor: MemoryLogitsProcessor,
) -> None:
    rng = random.Random(0)
    a, b, c, d, e = (Request([10 * n, 3, n], 0.5) for n in range(1, 6))
    added = [request.at(row) for row, request in enumerate([a, b, c, d])]
    processor.update_state(BatchUpdate(4, [], added, []))
    check_step(processor, [a, b, c, d], rng)
    moved = [(3, 2, MoveDirectionality.UNIDIRECTIONAL), (0, 1, MoveDirectionality.SWAP)]
    processor.update_state(BatchUpdate(3, [2], [e.at(0)], moved))
    check_step(processor, [b, e, d], rng)
    processor.update_state(None)
    check_step(processor, [b, e, d], rng)


def test_a_row_without_memory_that_moves_onto_another_takes_its_place(
    processor: MemoryLogitsProcessor,
) -> None:
    rng = random.Random(0)
    with_memory, without = Request([5, 6], 0.5), Request([7, 8], 0)
    processor.update_state(BatchUpdate(2, [], [with_memory.at(0), without.at(1)], []))
    check_step(processor, [with_memory, without], rng)
    processor.update_state(BatchUpdate(1, [], [], [(1, 0, MoveDirectionality.UNIDIRECTIONAL)]))
    check_step(processor, [without], rng)


def test_a_request_that_was_preempted_comes_back_with_its_output(
    processor: MemoryLogitsProcessor,
) -> None:
    rng = random.Random(0)
    request = Request([5, 6, 7])
    processor.update_state(BatchUpdate(1, [], [request.at(0)], []))
    for _ in range(3):
        check_step(processor, [request], rng)
    processor.update_state(BatchUpdate(0, [0], [], []))
    processor.update_state(BatchUpdate(1, [], [request.at(0)], []))
    check_step(processor, [request], rng)


@pytest.mark.parametrize("regrown", [[], [11], [11, 12, 13]])
def test_tokens_that_are_taken_back_are_forgotten(
    processor: MemoryLogitsProcessor, regrown: list[int]
) -> None:
    rng = random.Random(0)
    request = Request([5, 6, 7])
    processor.update_state(BatchUpdate(1, [], [request.at(0)], []))
    for _ in range(3):
        check_step(processor, [request], rng)
    request.output[1:] = regrown
    check_step(processor, [request], rng)


def test_a_step_without_a_new_token_is_answered_again(processor: MemoryLogitsProcessor) -> None:
    """As for a prompt that vLLM reads in pieces, whose samples it throws away."""
    rng = random.Random(0)
    request = Request([5, 6, 7])
    processor.update_state(BatchUpdate(1, [], [request.at(0)], []))
    for _ in range(3):
        check_step(processor, [request], rng)
        request.output.clear()


def test_a_row_where_only_a_token_of_the_base_is_allowed_is_left_alone(
    processor: MemoryLogitsProcessor, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request([5, 6, 7])
    processor.update_state(BatchUpdate(1, [], [request.at(0)], []))
    logits = torch.full((1, WIDTH), -math.inf)
    logits[0, 403] = 1.5
    assert torch.equal(processor.apply(logits.clone()), logits)
    request.output.append(403)
    logits = torch.randn(1, WIDTH)
    for _ in range(2):
        assert torch.equal(processor.apply(logits.clone()), logits), "the memory lacks the token"
        request.output.append(8)
    assert [record.getMessage() for record in caplog.records] == [
        "a request holds the token 403, which the memory lacks: the base goes on alone"
    ]


def test_a_prompt_of_embeddings_is_left_alone_with_a_warning(
    processor: MemoryLogitsProcessor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        processor.update_state(BatchUpdate(1, [], [(0, asking(), None, [])], []))
    assert "a prompt that came as embeddings" in caplog.text
    logits = torch.randn(1, WIDTH)
    assert torch.equal(processor.apply(logits.clone()), logits)


def test_a_token_that_vllm_has_not_told_yet_is_an_error(processor: MemoryLogitsProcessor) -> None:
    request = Request([5, 6, 7], output=[8, -1])
    processor.update_state(BatchUpdate(1, [], [request.at(0)], []))
    with pytest.raises(UserError, match="--no-async-scheduling"):
        processor.apply(torch.randn(1, WIDTH))


def test_half_precision_logits_stay_half(processor: MemoryLogitsProcessor) -> None:
    request = Request([5, 6, 7])
    processor.update_state(BatchUpdate(1, [], [request.at(0)], []))
    logits = torch.randn(1, WIDTH).bfloat16()
    expected = expected_row(request, logits[0].tolist())
    got = processor.apply(logits)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got[0, :SHARED].double(), torch.tensor(expected[:SHARED]).double(),
                               rtol=0.01, atol=0.01)  # fmt: skip


def test_it_may_change_which_token_is_the_most_probable(processor: MemoryLogitsProcessor) -> None:
    assert processor.is_argmax_invariant() is False


@pytest.mark.parametrize("alpha", [0, 1, 0.5, "0.5", None])
def test_a_weight_from_0_to_1_is_taken(alpha: object) -> None:
    MemoryLogitsProcessor.validate_params(asking(alpha=alpha))
    MemoryLogitsProcessor.validate_params(asking())


@pytest.mark.parametrize("alpha", [-0.1, 1.1, "much", True, math.nan, [0.5]])
def test_another_weight_is_refused_before_the_request_runs(alpha: object) -> None:
    with pytest.raises(ValueError, match="the memory's weight is a number from 0 to 1"):
        MemoryLogitsProcessor.validate_params(asking(alpha=alpha))


def test_settings_come_from_the_environment_where_the_configuration_has_none(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(folders)
    config.additional_config = {}
    monkeypatch.setenv("MEMDEC_MEMORY", str(folders / "memory"))
    monkeypatch.setenv("MEMDEC_ALPHA", "0.25")
    processor = MemoryLogitsProcessor(config, torch.device("cpu"), False)
    request = Request([5, 6, 7])
    processor.update_state(BatchUpdate(1, [], [request.at(0)], []))
    logits = torch.randn(1, WIDTH)
    expected = torch.tensor([expected_row(request, logits[0].tolist(), default=0.25)])
    torch.testing.assert_close(
        processor.apply(logits).double(), expected.double(), rtol=0, atol=1e-4
    )


def other_family(folders: Path, tmp_path: Path) -> SimpleNamespace:
    other = tiny_model_folder(tmp_path, "qwen2", vocab_size=300)
    return config_of(folders, memdec_memory=str(other))


def no_tokenizer(folders: Path, _tmp_path: Path) -> SimpleNamespace:
    config = config_of(folders)
    config.model_config.tokenizer = str(folders)
    return config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            lambda f, _: config_of(f, memdec_alpha=None),
            "memdec_alpha is not set.*MEMDEC_ALPHA",
        ),
        (
            lambda f, _: config_of(f, memdec_memory=None),
            "memdec_memory is not set.*MEMDEC_MEMORY",
        ),
        (lambda f, _: config_of(f, memdec_alpha="2"), "alpha is '2'"),
        (lambda f, _: config_of(f, max_model_len=257), "257 tokens .*--max-model-len 256 or less"),
        (other_family, "tokenizers of the two models differ: the vocabularies differ"),
        (no_tokenizer, r"no tokenizer\.json to compare with the memory's"),
    ],
)
def test_what_cannot_work_is_refused_when_vllm_starts(
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: Callable[[Path, Path], Any],
    message: str,
) -> None:
    monkeypatch.delenv("MEMDEC_ALPHA", raising=False)
    monkeypatch.delenv("MEMDEC_MEMORY", raising=False)
    with pytest.raises(UserError, match=message):
        MemoryLogitsProcessor(config(folders, tmp_path), torch.device("cpu"), False)


INTERFACE = """
import sys, types
from abc import ABC, abstractmethod
class LogitsProcessor(ABC):
    @classmethod
    def validate_params(cls, sampling_params): ...
    @abstractmethod
    def __init__(self, vllm_config, device, is_pin_memory): ...
    @abstractmethod
    def apply(self, logits): ...
    @abstractmethod
    def is_argmax_invariant(self): ...
    @abstractmethod
    def update_state(self, batch_update): ...
for name in ("vllm", "vllm.v1", "vllm.v1.sample", "vllm.v1.sample.logits_processor"):
    sys.modules[name] = types.ModuleType(name)
sys.modules[name].LogitsProcessor = LogitsProcessor
from memdec_core.joint.vllm_processor import MemoryLogitsProcessor
assert issubclass(MemoryLogitsProcessor, LogitsProcessor)
assert not MemoryLogitsProcessor.__abstractmethods__
"""


def test_where_vllm_is_installed_it_is_a_whole_subclass_of_its_interface() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERFACE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
