"""The verbs: read through storage, compute with memdec_core, write.

From what is used to what is asked: `jobs` (what there is to do), `identity` (what content is
called) and `pages` (how it is shown), `inputs` (what stages open) and `running` (workers,
progress, retries), `stage_tasks` (the stages as Prefect tasks), `comparison` and `stages` (the
work itself); then `use`, `serving` and `watch`, which look at what was made. A new stage is one
record in `jobs/stage_catalogue.py` and one module in `stages/`. import-linter holds the order.
"""
