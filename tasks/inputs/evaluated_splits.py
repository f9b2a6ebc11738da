"""The splits on which systems are compared: the same positions for every system."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memdec_core.errors import UserError
from memdec_core.scoring.bootstrap import Bootstrap, cluster_starts
from memdec_core.scoring.result_row import TUNING_SPLIT
from memdec_core.scoring.scoring_config import EvaluationConfig
from memdec_core.windows.window_batches import ReadTokens
from memdec_core.windows.windows import END, FIRST, WindowConfig, make_windows
from storage.formats.token_shards import TokenReader
from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob

EVALUATED_SPLITS = (TUNING_SPLIT, "test")
ELSEWHERE_SPLIT = "test"
"""Of corpora beside the domain."""


@dataclass(frozen=True)
class EvaluatedSplit:
    """The positions of a split.

    Attributes:
        windows_W4: The windows, at least one, as `make_windows` cuts them.
        offsets_D1: Starts of the documents in the stream, and the end.
        read_tokens: (start, stop) of the stream -> token ids.
        scope: Whether contexts end with the document or go on through the stream.
    """

    windows_W4: NDArray[np.int64]
    offsets_D1: NDArray[np.int64]
    read_tokens: ReadTokens
    scope: str

    @property
    def n_positions(self) -> int:
        """Positions of the split."""
        return int((self.windows_W4[:, END] - self.windows_W4[:, FIRST]).sum())


def open_splits(job: StageJob, store: Store, role: str = "tokens") -> dict[str, EvaluatedSplit]:
    """The validation split and, where the corpus has one, the test split.

    Args:
        job: Config section `windows`; tokens among its inputs.
        store: Where the tokens are.
        role: The input that holds them.

    Raises:
        UserError: There is no validation token to tune on.
    """
    windows = WindowConfig.model_validate(job.config["windows"])
    readers = store.readers(job.inputs[role])
    splits = {}
    for name in EVALUATED_SPLITS:
        if not any(shard.rpartition("-")[0] == name for shard in readers):
            continue
        tokens = TokenReader(readers, name)
        windows_W4 = make_windows(tokens.offsets_D1, windows)
        if len(windows_W4):
            splits[name] = EvaluatedSplit(windows_W4, tokens.offsets_D1, tokens.read, windows.scope)
    if TUNING_SPLIT not in splits:
        raise UserError(
            f"the corpus has no text in its {TUNING_SPLIT} split, on which α is tuned: give "
            "validation documents, or a larger share of the corpus to it, in config.corpus"
        )
    return splits


def bootstrap_of(
    windows_W4: NDArray[np.int64], split: EvaluatedSplit, config: EvaluationConfig
) -> Bootstrap:
    """How the positions of some windows of a split are resampled."""
    offsets_D1 = split.offsets_D1 if split.scope == "document" else None
    starts_C = cluster_starts(windows_W4, offsets_D1)
    return Bootstrap(starts_C, config.bootstrap_samples, config.confidence, config.seed)
