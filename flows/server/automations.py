"""What the Prefect server does by itself with memdec's runs: find, restart and report crashes."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from prefect.automations import (
    AutomationCore,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
    SendNotification,
)
from prefect.client.schemas.objects import StateType

from flows.server.deployments import TAG

HEARTBEATS_STOPPED = "memdec: crash runs whose heartbeats stop"
NEVER_STARTED = "memdec: schedule runs again that a worker took but never started"
RESTART = "memdec: restart crashed runs"
GIVE_UP = "memdec: fail runs that crash again and again"
FAILED_RUNS = "memdec notice: failed runs"
FAILED_ACTIONS = "memdec notice: failed actions"  # must not match "memdec: *", or it reports itself

_SILENCE = timedelta(seconds=90)  # three heartbeats
_PAUSE = timedelta(seconds=60)  # a worker reports a killed process twice, seconds apart
_START = timedelta(minutes=10)
_STARTS = 4
_UNTIL_LAST_START, _AT_LAST_START = ["[1-3]"], ["[4-9]", "[1-9][0-9]*"]

_ENDED = ("Completed", "Failed", "TimedOut", "Cancelled", "Crashed")
_WAITING = ("Scheduled", "AwaitingRetry", "AwaitingConcurrencySlot")
_TAKEN = ("Pending", "Submitting")
_ALIVE = ("Running", "heartbeat")  # a run may die before its first heartbeat
_OF_MEMDEC = ResourceSpecification(
    {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
)


def crash_automations(
    silence: timedelta = _SILENCE, pause: timedelta = _PAUSE
) -> list[AutomationCore]:
    """Runs that crash are found, started again, and in the end given up.

    A crash is what no error of the run tells: its process was killed, its machine went away. A
    run without a process stays Running for ever, but its heartbeats stop. The server counts the
    starts of a run, which ends the restarts whatever it is that crashes.

    Args:
        silence: How long a run may be without a heartbeat.
        pause: How long a run stays crashed before it is restarted.
    """
    retry = "What was finished is kept."
    return [
        _automation(
            HEARTBEATS_STOPPED,
            _unless(
                silence,
                after=_ALIVE,
                expect=(*_ALIVE, "Cancelling", *_WAITING, *_ENDED),
            ),
            StateType.CRASHED,
            f"No heartbeat for {silence.total_seconds():.0f} seconds: the run's process or its "
            "machine is gone.",
        ),
        _automation(
            NEVER_STARTED,
            _unless(
                _START,
                after=_TAKEN,
                expect=("Running", "Cancelling", *_TAKEN, *_WAITING, *_ENDED),
            ),
            StateType.SCHEDULED,
            f"A worker took this run and did not start it. {retry}",
        ),
        _automation(
            RESTART,
            _unless(
                pause,
                after=("Crashed",),
                expect=("Running", *_TAKEN, *_WAITING, *_ENDED),
                starts=_UNTIL_LAST_START,
            ),
            StateType.SCHEDULED,
            f"Starts again after a crash. {retry}",
        ),
        _automation(
            GIVE_UP,
            EventTrigger(
                posture=Posture.Reactive,
                expect=_events("Crashed"),
                match=_runs(_AT_LAST_START),
                match_related=_OF_MEMDEC,
            ),
            StateType.FAILED,
            f"Crashed, and was started {_STARTS} times or more, so it is not started again. Look "
            "in the logs, and at the memory of the machine, for what kills it; then retry it by "
            f"hand. {retry}",
        ),
    ]


def notice_automations(block: UUID, ui_url: str) -> list[AutomationCore]:
    """Messages about runs that fail or crash, and about automations of ours that do not work.

    Args:
        block: A notification block.
        ui_url: The server's UI, for links.
    """
    return [
        AutomationCore(
            name=FAILED_RUNS,
            tags=[TAG],
            trigger=EventTrigger(
                posture=Posture.Reactive,
                expect=_events("Failed", "TimedOut", "Crashed"),
                match=_runs(),
                match_related=_OF_MEMDEC,
            ),
            actions=[
                SendNotification(
                    block_document_id=block,
                    subject="memdec: {{ flow_run.name }}: {{ flow_run.state.name }}",
                    body="Pipeline {{ deployment.name }}, {{ flow.name }}: "
                    "{{ flow_run.state.name }} at start {{ flow_run.run_count }}.\n\n"
                    "{{ flow_run.state.message }}\n\n"
                    f"{ui_url}/runs/flow-run/{{{{ flow_run.id }}}}",
                )
            ],
        ),
        AutomationCore(
            name=FAILED_ACTIONS,
            tags=[TAG],
            trigger=EventTrigger(
                posture=Posture.Reactive,
                expect={"prefect.automation.action.failed"},
                match=ResourceSpecification({"prefect.resource.name": "memdec: *"}),
            ),
            actions=[
                SendNotification(
                    block_document_id=block,
                    subject="An automation failed: {{ event.resource.name }}",
                    body="{{ event.resource.name }} ({{ event.payload.action_type }}) did not "
                    f"work:\n\n{{{{ event.payload.reason }}}}\n\n{ui_url}/automations",
                )
            ],
        ),
    ]


def _automation(name: str, trigger: EventTrigger, state: StateType, message: str) -> AutomationCore:
    action = ChangeFlowRunState(
        state=state,
        name="AwaitingRetry" if state is StateType.SCHEDULED else None,
        message=message,
        force=state is StateType.FAILED,  # a crashed run has ended already
    )
    return AutomationCore(name=name, tags=[TAG], trigger=trigger, actions=[action])


def _unless(
    within: timedelta,
    *,
    after: Iterable[str],
    expect: Iterable[str],
    starts: list[str] | None = None,
) -> EventTrigger:
    """Fires when none of the expected events of a run follows within some time.

    An event that is in both begins the wait anew.
    """
    return EventTrigger(
        posture=Posture.Proactive,
        after=_events(*after),
        expect=_events(*expect),
        match=_runs(starts),
        match_related=_OF_MEMDEC,
        for_each={"prefect.resource.id"},
        within=within,
    )


def _events(*names: str) -> set[str]:
    return {f"prefect.flow-run.{name}" for name in names}


def _runs(starts: list[str] | None = None) -> ResourceSpecification:
    """All runs, or those that were started so often (patterns; the server counts the starts)."""
    labels = {"prefect.resource.id": "prefect.flow-run.*"}
    return ResourceSpecification(labels | ({"prefect.run-count": starts} if starts else {}))
