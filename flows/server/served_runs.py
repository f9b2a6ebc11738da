"""What becomes of the runs of a process that served deployments and stops."""

from collections.abc import Iterator, Sequence

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.states import Scheduled

_MESSAGE = (
    "`memdec serve-flows` was stopped. The run goes on when it is started again; what was finished "
    "is kept."
)
_UNFINISHED = [StateType.PENDING, StateType.RUNNING]


def schedule_unfinished_again(deployments: Sequence[RunnerDeployment]) -> Iterator[str]:
    """Schedules the runs again that end with this process, so that the next one goes on with them.

    No other process runs them: only one serves a deployment.

    Yields:
        The names of the runs.
    """
    with get_client(sync_client=True) as client:
        ids = [client.read_deployment_by_name(made.full_name).id for made in deployments]
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=ids)),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
            ),
        )
        for run in runs:
            client.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry", message=_MESSAGE))
            yield run.name
