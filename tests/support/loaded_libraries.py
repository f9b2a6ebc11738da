"""Which libraries a process has loaded, asked by a function that loads none."""

import sys

from tasks.running.supervised_process import Report

HEAVY = {"torch", "transformers", "faiss", "numba", "pandas", "prefect"}


def loaded_libraries(_report: Report) -> set[str]:
    """The slow ones among them."""
    return HEAVY & sys.modules.keys()
