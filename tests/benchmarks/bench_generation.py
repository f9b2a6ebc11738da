"""Generating with base + memory beside the base alone, both with transformers' own generate().

Here the reference does less work: the ratio should come near to the one of operations, which the
line states: base / (base + memory).
"""

from functools import cache, partial

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from memdec_core.decoding.latency import joint_flops_ratio
from memdec_core.joint import JointForCausalLM
from tests.benchmarks.interleaved import BenchRow, Work, compare

VOCABULARY = 50_257
PROMPT, NEW = 64, 12


def run() -> list[BenchRow]:
    """GPT-2 medium with a memory of GPT-2's size, as the paper has it; one and 16 sequences."""
    base, memory = parts()
    operations = 1 / joint_flops_ratio(base, memory, PROMPT + NEW)
    return [
        compare(
            "generation",
            f"{batch} sequences, {NEW} tokens each; by operations the ratio would be "
            f"{operations:.2f}",
            "tokens",
            ours=partial(side, batch, alpha=0.5),
            reference=partial(side, batch, alpha=None),
            rounds=5,
        )
        for batch in (1, 16)
    ]


def side(batch: int, *, alpha: float | None) -> Work:
    """Greedy generation of the joint model, or of the base where alpha is None."""
    base, memory = parts()
    model, options = base, {}
    if alpha is not None:
        model = JointForCausalLM.from_models(base, {"m": memory}, {"m": alpha}, VOCABULARY)
        options = {"alpha": alpha}
    generator = torch.Generator().manual_seed(0)
    prompts_BT = torch.randint(1, VOCABULARY, (batch, PROMPT), generator=generator)

    def work() -> int:
        model.generate(
            prompts_BT,
            attention_mask=torch.ones_like(prompts_BT),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
            pad_token_id=0,
            **options,
        )
        return batch * NEW

    return work


@cache
def parts() -> tuple[PreTrainedModel, PreTrainedModel]:
    """Base and memory with random weights."""
    torch.manual_seed(0)
    medium = GPT2Config(vocab_size=VOCABULARY, n_embd=1024, n_layer=24, n_head=16)
    return GPT2LMHeadModel(medium).eval(), GPT2LMHeadModel(GPT2Config()).eval()
