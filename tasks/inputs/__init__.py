"""What more than one stage opens, and what more than one leaves, in the same form.

A shard's run or a store comes in; out come a model as it is scored, the splits that are evaluated,
a datastore, a router, scores by system, the text of a stream. Nothing here decides what a stage
computes.

It imports `tasks.jobs` and `tasks.identity`; stages, comparisons and what uses finished runs
import it, and it imports none of them.
"""
