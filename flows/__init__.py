"""The order of things: the pipeline's configuration, its plan, its flow, the command.

A YAML file becomes a configuration (`config`), that becomes jobs with fingerprints (`planning`),
and a flow at the root hands them to `running` in their order; `server` is the Prefect around it,
`commands` is how a person asks. Flows call tasks and the store; they hold no algorithm and no
format, and load no model library, so that a command answers at once.
"""
