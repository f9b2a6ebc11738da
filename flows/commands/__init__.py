"""The subcommands of `memdec`, each in a module of its own; `command` puts them together.

A command reads its options (`command_options`) and the pipeline's YAML (`flows.config`), plans
(`flows.planning`), and either runs a flow (within a `shown_run`) or calls `tasks.use`,
`tasks.serving` or the store; what comes back it prints (`flows.server.console`).

The top of the house: may import everything, nothing imports it. What takes seconds to import
(PyTorch, Prefect) is imported inside the command, after its options were checked.
"""
