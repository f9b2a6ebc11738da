"""`memdec`: one module for each command, options that several share, how results are printed.

Arguments come in; a command reads the configuration, calls one flow or one function of
`tasks.use`, `tasks.serving` or the store, and prints a table or JSON. What takes seconds to import
is imported inside the command.

It may import everything of flows; only `flows.command_entry` imports it.
"""
