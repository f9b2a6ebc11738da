"""How far the tokens of new text are from those of known text, by unigram frequencies.

Legend: V tokens of the vocabulary. Counts are int64 (V,).

- **KL divergence** D(p ‖ q) = Σ_v p(v) ln(p(v) / q(v)), in nats (Kullback and Leibler 1951; Cover
  and Thomas, Elements of Information Theory, eq. 2.26). p is the relative frequency in the new
  text. q is that of the known text with one added to every count, (n_v + 1) / (N + |V|) (Laplace's
  rule of succession; Manning and Schütze 1999, section 6.2.2), so that a token never seen before
  costs much but not infinitely much.
- **Jensen-Shannon contributions** (Lin 1991): with m = (p + q) / 2 of the relative frequencies, a
  token adds ½ p ln(p / m) + ½ q ln(q / m) to the divergence, which is never negative and needs no
  smoothing. They rank the tokens that have become more or less frequent.

A short text is far from any distribution by chance alone: about (number of different tokens) /
2 n nats for n tokens. So the figure is read beside that of as much held-out text of the corpus.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


class TokenChange(NamedTuple):
    """One token's share of the text: before, in the new text, and what it adds to the divergence.

    Attributes:
        token: Its id.
        known: Relative frequency in the known text.
        new: Relative frequency in the new text.
        contribution: Its part of the Jensen-Shannon divergence, nats.
    """

    token: int
    known: float
    new: float
    contribution: float


def count_tokens(token_ids: NDArray[np.integer], vocab_size: int) -> Counts:
    """How often each id of a vocabulary occurs."""
    return np.bincount(token_ids, minlength=vocab_size).astype(np.int64, copy=False)


def unigram_kl(new_V: Counts, known_V: Counts) -> float:
    """D(new ‖ known), nats; the known text's counts smoothed by one.

    Args:
        new_V: Counts of the new text, at least one token.
        known_V: Counts of the known text.
    """
    p_V = new_V / new_V.sum()
    q_V = (known_V + 1) / (known_V.sum() + len(known_V))
    occurs_V = new_V > 0
    ratio = p_V[occurs_V] / q_V[occurs_V]
    return float(np.sum(p_V[occurs_V] * np.log(ratio)))


def changed_tokens(new_V: Counts, known_V: Counts, most: int) -> list[TokenChange]:
    """The tokens whose frequency changed the most, by their Jensen-Shannon contribution.

    Args:
        new_V: Counts of the new text, at least one token.
        known_V: Counts of the known text, likewise.
        most: How many, at most; tokens that did not change are never among them.
    """
    p_V, q_V = new_V / new_V.sum(), known_V / known_V.sum()
    m_V = (p_V + q_V) / 2
    parts_V = 0.5 * (_weighted_log(p_V, m_V) + _weighted_log(q_V, m_V))
    ranked = np.argsort(-parts_V, kind="stable")[:most]
    return [
        TokenChange(int(v), float(q_V[v]), float(p_V[v]), float(parts_V[v]))
        for v in ranked
        if p_V[v] != q_V[v]
    ]


def _weighted_log(p_V: NDArray[np.float64], m_V: NDArray[np.float64]) -> NDArray[np.float64]:
    """Terms p ln(p / m), 0 where p is."""
    occurs_V = p_V > 0
    logs_V = np.zeros_like(p_V)
    np.log(p_V, out=logs_V, where=occurs_V)
    logs_m_V = np.zeros_like(m_V)
    np.log(m_V, out=logs_m_V, where=occurs_V)
    return p_V * (logs_V - logs_m_V)
