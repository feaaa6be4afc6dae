"""When schedules of EventBridge Scheduler fire, and as whom.

The emulator fires them by the clock. Tests that wait for what a schedule's target does would race with it, so here a schedule fires when
a test says so, and then at once.

On AWS the target is called in the role of the schedule; the emulator asks for no right.
"""

import time

from extensions import metadata
from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import eventbridge, iam, scheduler

ACTIONS = {"lambda": "lambda:InvokeFunction"}


def install() -> None:
    scheduler._tick_schedules = lambda: None


def fire(name: str) -> tuple[int, str | None]:
    """Calls the target of a schedule of the default group: the status, and what was refused."""
    schedule = scheduler._schedules.get(f"default/{name}")
    if schedule is None or schedule["State"] != "ENABLED":
        return 404, None
    target = schedule["Target"]
    denied = objection(target)
    if denied is not None:
        return 403, str(denied)
    event = {"Source": "aws.scheduler", "DetailType": "Scheduled Event", "Detail": "{}", "Resources": [schedule["Arn"]]}
    eventbridge._invoke_target(target, event, schedule)
    return 200, None


def objection(target: dict):
    """What the schedule's role may not do of what its target takes."""
    service = target["Arn"].split(":")[2]
    role = iam._roles[target["RoleArn"].rpartition("/")[2]]
    key = metadata.new_credentials(role, "schedule", time.time())["id"]
    return iam_evaluator.enforce(key, ACTIONS[service], service, get_region(), resource_arn=target["Arn"])
