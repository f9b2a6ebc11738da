"""What a person writes: pipelines and schedules as YAML, read and checked.

Files and `--set` overrides come in; one `PipelineConfig` each goes out, or an error that names the
path of the mistake. It imports the configurations of `memdec_core`, and nothing of flows.
"""
