"""The work of stages that only a comparison has: baselines, measurements, the tables over all.

As in the folder above: one module with its `WORK` each, none of which imports another.
"""
