"""How the few inner loops that NumPy cannot express are compiled."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(*, parallel: bool = False, inline: bool = False) -> Callable[[Function], Function]:
    """Compiles a function over NumPy arrays to machine code, cached on disk between processes.

    Sums may be reordered so that they use vector registers; NaN and infinity keep their meaning,
    because masked neighbours have infinite distances.

    Args:
        parallel: Whether `numba.prange` loops run on all threads.
        inline: Whether kernels that call it contain it; worth it where a call does little.
    """

    def compile_function(function: Function) -> Function:
        compiled = numba.njit(
            parallel=parallel,
            cache=True,
            nogil=True,
            forceinline=inline,
            fastmath={"reassoc", "contract"},
        )(function)
        return cast("Function", compiled)  # callable with the function's own signature

    return compile_function
