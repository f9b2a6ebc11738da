"""The work of the stages of a pipeline, one module each, imported in worker processes alone.

A module defines `WORK`: how a shard is built, where there are several also which there are and
what they come to together. A `ShardRun` comes in (configuration, inputs, where to write); files
and figures go out, and the caller commits them.

A stage imports `memdec_core`, storage and the rooms below, and no other stage: what two of them
need is in `tasks.inputs`. `tasks.jobs.stage_catalogue` names its module.
"""
