"""What there is to do: stages, jobs, settings, and what a worker is handed.

`stage_catalogue` has one record a stage (`stage_record`); `stage_job` names an artifact to build
by it, with configuration and inputs; `run_settings` say how, which never changes a fingerprint;
`stage_work` is how a stage's work reads its shard: `run.config(TargetsConfig)`,
`run.only("model")`; `stage_figures` are what others read of a finished stage.

All other rooms of tasks, and flows, import from here. It imports `storage.objects` and
`storage.store` alone, so that a flow's process, a form of the UI and a command line can load it at
once.
"""
