"""Writes deployments as a file for `prefect deploy`, the same on every machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from prefect.deployments.runner import RunnerDeployment

HERE = "{{ project.stdout }}"
"""Where `prefect deploy` runs: Prefect fills in what the build step prints."""

_HEAD = """\
# Written by `memdec deploy FOLDER --write`; change the pipelines and write it again.
# In the project's folder: prefect work-pool create --type process {pool}
#                           prefect --no-prompt deploy --all --prefect-file {name}
"""
_STEPS = {
    "build": [
        {"prefect.deployments.steps.run_shell_script": {"id": "project", "script": "pwd"}},
    ],
    "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": HERE}}],
}


def write_prefect_yaml(path: Path, deployments: Sequence[RunnerDeployment]) -> None:
    """Writes all deployments of one work pool.

    Args:
        path: The file, which is replaced.
        deployments: At least one, whose paths start with `HERE`.
    """
    head = _HEAD.format(pool=deployments[0].work_pool_name, name=f"deploy/{path.name}")
    configs: dict[str, Any] = {}
    content = {"name": "memdec"} | _STEPS
    content["deployments"] = [_entry(deployment, configs) for deployment in deployments]
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(head + body, encoding="utf-8")


def _entry(deployment: RunnerDeployment, configs: dict[str, Any]) -> dict[str, Any]:
    """One deployment; those of a pipeline share its configuration, which YAML writes once."""
    parameters = dict(deployment.parameters)
    if "config" in parameters:
        parameters["config"] = configs.setdefault(deployment.name, parameters["config"])
    options = deployment.concurrency_options
    assert options is not None
    return {
        "name": deployment.name,
        "entrypoint": deployment.entrypoint,
        "description": deployment.description,
        "version": deployment.version,
        "tags": list(deployment.tags),
        "parameters": parameters,
        "schedules": [
            made.schedule.model_dump(mode="json", exclude={"day_or"})
            for made in deployment.schedules or []
            if made.schedule is not None
        ],
        "concurrency_limit": {
            "limit": deployment.concurrency_limit,
            "collision_strategy": options.collision_strategy.value,
        },
        "triggers": [
            trigger.model_dump(
                mode="json",
                include={"type", "name", "expect", "match", "parameters"},
                exclude_none=True,
            )
            for trigger in deployment.triggers
        ],
        "work_pool": {
            "name": deployment.work_pool_name,
            "job_variables": deployment.job_variables,
        },
    }
