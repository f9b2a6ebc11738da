"""What p_kNN of a base's own datastore gives the tokens of every choice.

The neighbours' part alone, under every temperature, as `knn_scores` has it for running text.

Legend: G temperatures, R records, S strings, E tokens of all strings, N rows of the datastore,
P searched positions, D width of a key, U different tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memdec_core.downstream.choice_scoring import ANY_TOKEN, followed_by
from memdec_core.downstream.choice_strings import ChoiceStrings, Prompts
from memdec_core.models.key_model import KeyModel
from memdec_core.scoring.knn_scores import label_log_probs
from memdec_core.search.embedding import embed_windows
from memdec_core.search.neighbour_search import Datastore, queries_at_once, search_unseen
from memdec_core.search.neighbours import Neighbours
from memdec_core.targets.knn_distribution import token_masses
from memdec_core.windows.window_batches import OnProgress
from memdec_core.windows.windows import START


@dataclass(frozen=True)
class ChoiceSearch:
    """A datastore, the model whose keys it holds, and how to search it.

    Attributes:
        model: What computes the keys.
        datastore: The keys, and the index over them.
        next_token_N: The datastore's values.
        k: Neighbours of each position.
        memory_bytes: For a forward pass, and again for a search; changes nothing but speed and the
            rounding of float32 sums.
    """

    model: KeyModel
    datastore: Datastore
    next_token_N: NDArray[np.integer]
    k: int
    memory_bytes: int

    def neighbours(
        self, prompts: Prompts, string: NDArray[np.int64], *, given: int
    ) -> Iterator[tuple[slice, Neighbours]]:
        """Neighbours of the positions that predict a string behind every prompt.

        Args:
            prompts: Token ids of each prompt.
            string: Token ids that follow.
            given: How many of these are not predicted.

        Yields:
            Consecutive positions, in the order of the prompts, and their neighbours.
        """
        read_tokens, windows_R4 = followed_by(prompts, string, given=given)
        blocks = embed_windows(
            self.model, read_tokens, windows_R4[:, START], windows_R4, self.memory_bytes
        )
        keys_PD = np.concatenate([block.keys_ND for block in blocks])
        most = queries_at_once(self.k, keys_PD.shape[1], self.memory_bytes)
        for start in range(0, len(keys_PD), most):
            part = slice(start, min(start + most, len(keys_PD)))
            yield part, search_unseen(self.datastore, keys_PD[part], self.k)


def knn_choice_log_probs(
    search: ChoiceSearch,
    prompts: Prompts,
    strings: ChoiceStrings,
    taus: Sequence[float],
    *,
    on_progress: OnProgress = lambda _fraction: None,
) -> NDArray[np.float64]:
    """Log p_kNN of the strings' tokens.

    Args:
        search: Where the neighbours come from.
        prompts: Token ids of each prompt, at least one.
        strings: What may follow.
        taus: Temperatures, each above 0.
        on_progress: Takes the finished fraction, 0 to 1.

    Returns:
        float64 (G, R, E); -inf where no neighbour is followed by the token.

    Raises:
        UserError: A prompt or a token does not fit the model, or a key does not fit float16.
    """
    scores_GRE = np.full((len(taus), len(prompts), len(strings.token_ids_E)), np.nan)
    first_tokens_S = strings.token_ids_E[strings.first_S]
    share = 1 / (1 + len(strings.longer))
    for part, neighbours in search.neighbours(prompts, ANY_TOKEN, given=0):
        for g, tau in enumerate(taus):
            scores_PS = _of_tokens(neighbours, search.next_token_N, first_tokens_S, tau)
            scores_GRE[g][part, strings.first_S] = scores_PS
        on_progress(share * part.stop / len(prompts))
    for number, span in enumerate(strings.longer, start=1):
        string = strings.token_ids_E[span]
        label_P = np.tile(string[1:], len(prompts))
        scores_GP = np.concatenate(
            [
                label_log_probs(neighbours, search.next_token_N, label_P[part], taus)
                for part, neighbours in search.neighbours(prompts, string, given=1)
            ],
            axis=1,
        )
        shape = len(taus), len(prompts), len(string) - 1
        scores_GRE[:, :, span.start + 1 : span.stop] = scores_GP.reshape(shape)
        on_progress(share * (1 + number))
    assert not np.isnan(scores_GRE).any(), "every token is scored, and with a number"
    return scores_GRE


def _of_tokens(
    neighbours: Neighbours,
    next_token_N: NDArray[np.integer],
    wanted_S: NDArray[np.int64],
    tau: float,
) -> NDArray[np.float64]:
    """Log p_kNN of the same tokens at every position, float64 (P, S)."""
    unique_U, column_S = np.unique(wanted_S, return_inverse=True)
    offsets_P1, tokens, masses = token_masses(neighbours, next_token_N, tau)
    rows = np.repeat(np.arange(len(offsets_P1) - 1), np.diff(offsets_P1))
    columns = np.searchsorted(unique_U, tokens).clip(max=len(unique_U) - 1)
    is_wanted = unique_U[columns] == tokens
    masses_PU = np.zeros((len(offsets_P1) - 1, len(unique_U)))
    masses_PU[rows[is_wanted], columns[is_wanted]] = masses[is_wanted]
    with np.errstate(divide="ignore"):
        log_probs_PS: NDArray[np.float64] = np.log(masses_PU)[:, column_S]
    return log_probs_PS
