"""How a stage is run, whichever it is: claimed, cut into shards, supervised, sealed, shown.

`stage_run` makes the Prefect task of a stage's work and runs it; `supervised_process` gives every
shard a worker process of its own, whose death is an answer; there `stage_worker` imports the work
and commits what it leaves. `progress` and `memory_sampler` tell how it goes, `preflight` refuses
what cannot work.

It imports `tasks.jobs`, `tasks.identity` and `tasks.pages`, and knows stages by their modules'
names alone. Prefect is at home here.
"""
