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
NOTICED_RUNS = "memdec notice: runs that need somebody"
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
            _unless(silence, after=_ALIVE, expect=(*_ALIVE, "Cancelling")),
            StateType.CRASHED,
            f"No heartbeat for {silence.total_seconds():.0f} seconds: the run's process or its "
            "machine is gone.",
        ),
        _automation(
            NEVER_STARTED,
            _unless(_START, after=_TAKEN, expect=("Running", "Cancelling", *_TAKEN)),
            StateType.SCHEDULED,
            f"A worker took this run and did not start it. {retry}",
        ),
        _automation(
            RESTART,
            _unless(
                pause, after=("Crashed",), expect=("Running", *_TAKEN), starts=_UNTIL_LAST_START
            ),
            StateType.SCHEDULED,
            f"Starts again after a crash. {retry}",
        ),
        _automation(
            GIVE_UP,
            _when("Crashed", starts=_AT_LAST_START),
            StateType.FAILED,
            f"Crashed, and was started {_STARTS} times or more, so it is not started again. Look "
            "in the logs, and at the memory of the machine, for what kills it; then retry it by "
            f"hand. {retry}",
        ),
    ]


def notice_automations(block: UUID, ui_url: str) -> list[AutomationCore]:
    """Messages about runs that fail, crash or wait for a person, and automations that do not work.

    They go through a notification block, with links to the server's UI.
    """
    return [
        _notice(
            NOTICED_RUNS,
            _when("Failed", "TimedOut", "Crashed", "KeptBack", "Held"),
            block,
            "memdec: {{ flow_run.name }}: {{ flow_run.state.name }}",
            "Pipeline {{ deployment.name }}, {{ flow.name }}: "
            "{{ flow_run.state.name }} at start {{ flow_run.run_count }}.\n\n"
            "{{ flow_run.state.message }}\n\n"
            f"{ui_url}/runs/flow-run/{{{{ flow_run.id }}}}",
        ),
        _notice(
            FAILED_ACTIONS,
            EventTrigger(
                posture=Posture.Reactive,
                expect={"prefect.automation.action.failed"},
                match=ResourceSpecification({"prefect.resource.name": "memdec: *"}),
            ),
            block,
            "An automation failed: {{ event.resource.name }}",
            "{{ event.resource.name }} ({{ event.payload.action_type }}) did not "
            f"work:\n\n{{{{ event.payload.reason }}}}\n\n{ui_url}/automations",
        ),
    ]


def _notice(
    name: str, trigger: EventTrigger, block: UUID, subject: str, body: str
) -> AutomationCore:
    action = SendNotification(block_document_id=block, subject=subject, body=body)
    return AutomationCore(name=name, tags=[TAG], trigger=trigger, actions=[action])


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
    """Fires when none of the expected events of a run follows within some time, nor its end.

    An event that is in both begins the wait anew.
    """
    return EventTrigger(
        posture=Posture.Proactive,
        after=_events(*after),
        expect=_events(*expect, *_WAITING, *_ENDED),
        match=_runs(starts),
        match_related=_OF_MEMDEC,
        for_each={"prefect.resource.id"},
        within=within,
    )


def _when(*events: str, starts: list[str] | None = None) -> EventTrigger:
    """Fires at once when any of these events of a run comes."""
    return EventTrigger(
        posture=Posture.Reactive,
        expect=_events(*events),
        match=_runs(starts),
        match_related=_OF_MEMDEC,
    )


def _events(*names: str) -> set[str]:
    return {f"prefect.flow-run.{name}" for name in names}


def _runs(starts: list[str] | None = None) -> ResourceSpecification:
    """All runs, or those that were started so often (patterns; the server counts the starts)."""
    labels = {"prefect.resource.id": "prefect.flow-run.*"}
    return ResourceSpecification(labels | ({"prefect.run-count": starts} if starts else {}))
