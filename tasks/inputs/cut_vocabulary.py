"""The ids that a model is scored over, where not all models of a run have all of its tokens.

The tokens artifact is made once, by the tokenizer of the datastore's model, and counts for every
model. Where a document spells out an added token that only some tokenizers know, it holds ordinary
pieces or, if the datastore's own tokenizer knows the token, an id that not all models have: such
text can be learned from, but not scored.
"""

import numpy as np
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.models.models_config import VocabularyConfig
from memdec_core.text.tokenizer_match import real_vocab_size
from tasks.inputs.evaluated_splits import EvaluatedSplit
from tasks.jobs.stage_work import ShardRun

_BLOCK_TOKENS = 2**22


def vocabulary_of(run: ShardRun, tokenizer: PreTrainedTokenizerFast) -> int:
    """Number of ids that have a probability.

    Args:
        run: Its config section `vocabulary`, where the plan made one, says what the models share.
        tokenizer: The model's own.
    """
    real = real_vocab_size(tokenizer)
    if "vocabulary" not in run.job.config:
        return real
    return min(real, run.config(VocabularyConfig).size)


def check_split(split: EvaluatedSplit, name: str, vocab_size: int) -> None:
    """Refuses a split with a token that has no probability.

    Raises:
        UserError: It has one; the message names the first.
    """
    total = int(split.offsets_D1[-1])
    for start in range(0, total, _BLOCK_TOKENS):
        block = split.read_tokens(start, min(start + _BLOCK_TOKENS, total))
        if (unknown := np.flatnonzero(block >= vocab_size)).size:
            place = start + int(unknown[0])
            document = int(np.searchsorted(split.offsets_D1, place, side="right"))
            raise UserError(
                f"config.corpus: document {document} of the {name} split spells out an added token "
                f"(id {int(block[unknown[0]])}) that not all models have, for their tokenizers "
                f"share only the ids below {vocab_size}; take such text out of the {name} "
                "documents, or leave the model with the shorter tokenizer out"
            )
