"""What a position's neighbours put into the probability of its next token.

    w_i = exp(-d_i / τ) / Σ_j exp(-d_j / τ)        the weight of a neighbour
    p_kNN(y) = Σ w_i over neighbours i with next token y

One position at a time. Shapes: K neighbours, V shared vocabulary, R rows of the datastore.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.search.neighbours import Neighbours


class WeighedNeighbours(NamedTuple):
    """The neighbours of one position, nearest first.

    Attributes:
        rows_K: Rows of the datastore, int64.
        tokens_K: The tokens that follow them, int64.
        distances_K: Squared L2 distances, float64.
        weights_K: Shares of p_kNN, float64; they sum to 1.
    """

    rows_K: NDArray[np.int64]
    tokens_K: NDArray[np.int64]
    distances_K: NDArray[np.float64]
    weights_K: NDArray[np.float64]


class Distributions(NamedTuple):
    """What each system says about the next token, float64 (V,) each.

    Attributes:
        p_knn_V: The datastore.
        p_mem_V: The memory.
        p_base_V: The base.
        p_joint_V: The base with the memory.
    """

    p_knn_V: NDArray[np.float64]
    p_mem_V: NDArray[np.float64]
    p_base_V: NDArray[np.float64]
    p_joint_V: NDArray[np.float64]


class TokenShares(NamedTuple):
    """One token's probability under each system."""

    token: int
    p_knn: float
    p_mem: float
    p_base: float
    p_joint: float


class Carrier(NamedTuple):
    """A neighbour that carries a token.

    Attributes:
        row: Of the datastore.
        distance: Squared L2 distance of its key.
        weight: Its share of p_kNN.
    """

    row: int
    distance: float
    weight: float


def weigh_neighbours(
    neighbours: Neighbours, next_token_R: NDArray[np.integer], tau: float
) -> WeighedNeighbours:
    """Weighs the neighbours of one position.

    Args:
        neighbours: Of a single query, at least one; -1 counts for nothing.
        next_token_R: The datastore's values.
        tau: Temperature, above 0.
    """
    (ids_K,), (distances_K,) = neighbours
    found_K = ids_K >= 0
    rows_K, wide_K = ids_K[found_K], distances_K[found_K].astype(np.float64)
    relative_K = np.exp((wide_K[0] - wide_K) / tau)  # the nearest weighs 1: nothing underflows
    tokens_K = next_token_R[rows_K].astype(np.int64)
    return WeighedNeighbours(rows_K, tokens_K, wide_K, relative_K / relative_K.sum())


def knn_probabilities(weighed: WeighedNeighbours, vocab_size: int) -> NDArray[np.float64]:
    """p_kNN of every token, whole: without the truncation of training targets.

    Neighbours that carry a token past `vocab_size`, which not all models have, add to none.
    """
    p_knn_V = np.zeros(vocab_size)
    known_K = weighed.tokens_K < vocab_size
    np.add.at(p_knn_V, weighed.tokens_K[known_K], weighed.weights_K[known_K])
    return p_knn_V


def token_shares(distributions: Distributions, token: int) -> TokenShares:
    """One token's probability under each system."""
    return TokenShares(token, *(float(p_V[token]) for p_V in distributions))


def probable_tokens(distributions: Distributions, count: int, explained: int) -> list[TokenShares]:
    """The most probable tokens under p_joint, with each system's own first choice among them.

    Args:
        distributions: What each system says.
        count: Tokens to list by p_joint; first choices and the explained one come on top.
        explained: A token that is listed in any case.

    Returns:
        The tokens in the order of p_joint, equal ones by token.
    """
    by_joint_V = np.argsort(-distributions.p_joint_V, kind="stable")
    first_choices = [int(p_V.argmax()) for p_V in distributions]
    listed = {*by_joint_V[:count].tolist(), *first_choices, explained}
    return [token_shares(distributions, t) for t in by_joint_V.tolist() if t in listed]


def carriers_of(weighed: WeighedNeighbours, token: int) -> list[Carrier]:
    """The neighbours that a token follows, heaviest first: their weights sum to its p_kNN."""
    carrying = np.flatnonzero(weighed.tokens_K == token)
    return [
        Carrier(int(weighed.rows_K[i]), float(weighed.distances_K[i]), float(weighed.weights_K[i]))
        for i in carrying
    ]
