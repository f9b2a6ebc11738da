"""What a run would do, computed before anything runs.

A configuration comes in; out come jobs with fingerprints, each after those whose artifacts it
reads, in the order of `tasks.jobs.stage_catalogue`: of a pipeline (`plan`), of a comparison, of
the gate after a build. `memdec plan` shows them and the flows follow them, so the two cannot
disagree.

It imports `flows.config` and `tasks.identity`; it reads documents and models to hash them, and
writes nothing.
"""
