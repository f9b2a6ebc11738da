"""Whether a model's rows can be read and continued side by side, found out by trying.

Asking a model is surer than a list of architectures: some keep a state instead of keys and values,
some have no way to be told that a row is padded.
"""

import torch

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.serving.row_batch import RowBatch

TOLERANCE = {torch.float32: 1e-2, torch.float64: 1e-2}
ROUGH_TOLERANCE = 0.5
"""Greatest difference of log-probabilities; the second for half precision."""
PROBE = 6


@torch.inference_mode()
def check_cache(lm: TransformerLM, name: str) -> None:
    """Refuse a model whose rows disturb one another, or whose cache cannot be joined.

    Args:
        lm: The model.
        name: What to call it in the message.

    Raises:
        UserError: The model cannot be served.
    """
    kind = type(lm.model).__name__
    try:
        difference = _difference(lm)
    except Exception as error:
        raise UserError(_message(name, kind, f"{type(error).__name__}: {error}")) from error
    tolerance = TOLERANCE.get(lm.model.dtype, ROUGH_TOLERANCE)
    # written so that NaN is refused, too
    if not difference <= tolerance:
        raise UserError(
            _message(name, kind, f"log-probabilities differ by {difference:.3g} beside another row")
        )


def _difference(lm: TransformerLM) -> float:
    """Between a short row that joins a longer one, and the same row read alone without a cache."""
    longest = min(PROBE, lm.context_length or PROBE)
    # falling ids: no run of equal tokens, whose order would make no difference
    long_T = (longest - torch.arange(longest)) % lm.vocab_size
    short = max(2, longest // 2)
    batch = RowBatch([lm], [0])
    batch.feed(long_T[None, :-1], 1)
    # the row that joins is read beside a third one, so that it is padded, too
    other = RowBatch([lm], [1, 0])
    other.feed(torch.stack([long_T[:short].roll(1), long_T[:short]]), 1)
    other.keep([0])
    batch.join(other)
    (after_2V,) = (part[:, -1] for part in batch.feed(torch.stack([long_T[-1:]] * 2), 1))
    row_T = torch.cat([long_T[: short - 1], long_T[-1:]])
    alone_2V = torch.stack([lm.log_probs(each[None])[0, -1] for each in (long_T, row_T)])
    return float((after_2V - alone_2V).abs().max())


def _message(name: str, kind: str, detail: str) -> str:
    return (
        f"{name} ({kind}) cannot be served: many requests at a time need a model that keeps plain "
        f"keys and values of every layer and takes padded rows ({detail}); use memdec generate"
    )
