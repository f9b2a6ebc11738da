"""A system that nobody needs: every token is as likely as any other. It is added in two pieces."""

from math import log
from typing import cast

import torch
from torch import Tensor

from memdec_core.scoring.system_name import Kind, SystemKind

TOY = cast("Kind", "toy")
RECORD = SystemKind("the toy on {base}", "a toy", scored="in place")
"""What `KINDS` would hold for it."""


class ToyLM:
    """Token ids in, the same distribution out after each."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def log_probs(self, tokens_BT: Tensor) -> Tensor:
        """As `LanguageModel` says."""
        return torch.full((*tokens_BT.shape, self.vocab_size), -log(self.vocab_size))
