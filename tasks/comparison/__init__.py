"""The parts of a comparison's table that are work of their own.

Scores of systems come in; rows, reliability and timed systems go out: what `compare_scores`,
`join_comparisons` and `measure_latency` put together and write.

It imports `tasks.inputs` and `tasks.pages`; only stages import it.
"""
