"""Imported by what workers are forked from: libraries that every worker would load anew.

Those whose threads each worker limits; Prefect, since a run's main module imports it, which
multiprocessing imports again; and what others load only at their first use: pandas takes .4 s, the
typing rules of numba's kernels as much again, the names that transformers gives old weights .1 s.
"""

import contextlib
import importlib

import faiss  # noqa: F401
import prefect.engine
import prefect.main  # noqa: F401
import torch  # noqa: F401
from numba.core.registry import cpu_target
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

with contextlib.suppress(ImportError):  # pyarrow asks for it wherever it is installed
    importlib.import_module("pandas")

cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
# the first to ask for any model's names has those of all made
get_checkpoint_conversion_mapping("gpt2")  # type: ignore[no-untyped-call]
