"""Vectors in 8 bits: inner products several times as fast, with an error whose size is known.

A vector is moved by a common centre, scaled so that its largest coordinate becomes 126, and rounded
with dither: before rounding, coordinate d is moved by a fixed random u_d in [-½, ½). The error of
every coordinate is then random with mean 0 and a width of one step, whatever the vectors, so that
by Hoeffding's inequality an inner product q·x is off by more than z·σ with a probability below
2·exp(-z²/2), with 4σ² = |q|² step_x² + |x|² step_q².

Processors without fast 8-bit products use float32 in the same place.

Shapes: N vectors, M vectors of the other side, D width.
"""

import functools
import math
import time
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from memdec_core.compiled_kernel import kernel

LARGEST = 126.0
"""Largest rounded coordinate before dither; 127 is the largest that fits."""
FLOAT_STEP = 2.0**-25
"""Step that stands for the rounding of float32 sums, in lengths of the vector per term."""
TRIAL = (128, 512, 256)
"""Rows, rows and width of the product by which the faster type is found."""
TRIALS = 5
FAR_SLOWER = 4.0
"""So many times as long as the other, and a type is tried no more: int8 was seen to take 30."""


CodeType = Literal["int8", "float32"]
PRODUCTS = {"int8": torch.int32, "float32": torch.float32}
"""Type of the products, by that of the codes."""


class RoundedVectors(NamedTuple):
    """Vectors about a centre: `codes_ND * scales_N` is nearly `vectors_ND - centre`.

    Attributes:
        codes_ND: Rounded coordinates, int8, or float32 where that is faster.
        scales_N: Length of one unit of the codes, float32.
        steps_N: Width of the error of a coordinate, float32.
        norms_N: Squared lengths about the centre, before rounding, float32.
    """

    codes_ND: NDArray[np.int8] | NDArray[np.float32]
    scales_N: NDArray[np.float32]
    steps_N: NDArray[np.float32]
    norms_N: NDArray[np.float32]


def dither(width: int, seed: int) -> NDArray[np.float32]:
    """Draws the offsets u_d, shape (D,); the two sides of a product need different seeds."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, width).astype(np.float32)


def round_vectors(
    vectors_ND: NDArray[np.float32],
    centre_D: NDArray[np.float32],
    dither_D: NDArray[np.float32],
    code_type: CodeType,
) -> RoundedVectors:
    """Rounds vectors for `inner_products`.

    Args:
        vectors_ND: Vectors, finite.
        centre_D: The centre that both sides of the product are moved by.
        dither_D: Offsets of this side from `dither`.
        code_type: Type of the codes, the same on both sides.
    """
    norms_N = np.empty(len(vectors_ND), np.float32)
    if code_type == "float32":
        moved_ND = vectors_ND - centre_D
        norms_N[:] = np.einsum("nd,nd->n", moved_ND, moved_ND)
        steps_N = np.sqrt(norms_N) * np.float32(vectors_ND.shape[1] * FLOAT_STEP)
        return RoundedVectors(moved_ND, np.ones_like(norms_N), steps_N, norms_N)
    codes_ND = np.empty(vectors_ND.shape, np.int8)
    scales_N = np.empty(len(vectors_ND), np.float32)
    _round_rows(vectors_ND, centre_D, dither_D, codes_ND, scales_N, norms_N)
    return RoundedVectors(codes_ND, scales_N, scales_N, norms_N)


def inner_products(
    codes_MD: NDArray[np.int8] | NDArray[np.float32],
    codes_ND: NDArray[np.int8] | NDArray[np.float32],
    buffer: torch.Tensor,
) -> NDArray[np.int32] | NDArray[np.float32]:
    """Multiplies every vector of one side with every vector of the other.

    Args:
        codes_MD: Codes of one side.
        codes_ND: Codes of the other, of the same type.
        buffer: At least M·N values of the type in `PRODUCTS`, into which the products go.

    Returns:
        Products of the codes, shape (M, N): a view of the buffer, int32 for int8 codes.
    """
    left, right = torch.from_numpy(codes_MD), torch.from_numpy(codes_ND)
    out = buffer[: len(left) * len(right)].view(len(left), len(right))
    multiply = torch._int_mm if left.dtype == torch.int8 else torch.mm  # has no public name
    products_MN: NDArray[np.int32] | NDArray[np.float32] = multiply(left, right.T, out=out).numpy()
    return products_MN


@functools.cache
def fastest_codes() -> CodeType:
    """The type in which this processor multiplies faster, measured once per process.

    By turns, and by the time of the thread: what else the machine does must not decide, since a
    worker that chose otherwise would compile kernels of its own.
    """
    rows, columns, width = TRIAL
    multiply = {"int8": torch._int_mm, "float32": torch.mm}
    seconds: dict[CodeType, float] = {"int8": math.inf, "float32": math.inf}
    for trial in range(TRIALS):
        if trial > 1 and max(seconds.values()) > FAR_SLOWER * min(seconds.values()):
            break  # the first trial may have had to make ready what the others find
        for codes in seconds:
            left = torch.ones(rows, width, dtype=getattr(torch, codes))
            right = torch.ones(columns, width, dtype=left.dtype)
            started = time.thread_time()
            multiply[codes](left, right.T)
            seconds[codes] = min(seconds[codes], time.thread_time() - started)
    return min(seconds, key=seconds.__getitem__)


@kernel()
def _round_rows(
    vectors_ND: NDArray[np.float32],
    centre_D: NDArray[np.float32],
    dither_D: NDArray[np.float32],
    codes_ND: NDArray[np.int8],
    scales_N: NDArray[np.float32],
    norms_N: NDArray[np.float32],
) -> None:
    for n in range(vectors_ND.shape[0]):
        norm = np.float32(0)
        largest = np.float32(0)
        for d in range(vectors_ND.shape[1]):
            moved = vectors_ND[n, d] - centre_D[d]
            norm += moved * moved
            largest = max(largest, abs(moved))
        scale = max(largest, np.float32(1e-20)) / np.float32(LARGEST)
        units = np.float32(1) / scale
        for d in range(vectors_ND.shape[1]):
            code = np.rint((vectors_ND[n, d] - centre_D[d]) * units + dither_D[d])
            codes_ND[n, d] = np.int8(code)
        scales_N[n] = scale
        norms_N[n] = norm
