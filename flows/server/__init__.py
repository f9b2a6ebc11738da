"""Prefect around the flows: servers, deployments, automations, the terminal.

Pipelines come in; deployments, schedules and automations are registered with a server that
answers, or with one started for the moment. What a process that served or was deployed leaves
behind when it ends is settled here, too.

It imports `flows.config` and no plan; flows and commands import it.
"""
