"""The life of instances: states that take their time, and the events that tell of them.

On AWS an instance is pending before it is running, and shutting-down before it is terminated; every change is an event of source
aws.ec2 on the default bus; a volume that goes with its instance goes when it is terminated. In the emulator an instance is running and
terminated at once, nobody hears of it, and its volumes stay.

What a machine does is not the emulator's matter: whoever plays the machines asks `changes_after` for what became of them.
"""

import contextvars
import json
import re
import threading
import time

from extensions import metadata
from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, eventbridge

# Long enough to be seen, short enough not to be waited for.
STEP_SECONDS = 0.1
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
STATE = re.compile(r"<code>48</code><name>terminated</name>(\s*</currentState>)")

# Held while an instance changes its state.
stepping = threading.RLock()
changed = threading.Condition()
changes: list[dict] = []


def install() -> None:
    run_instances = ec2._ACTION_MAP["RunInstances"]
    terminate = ec2._ACTION_MAP["TerminateInstances"]
    describe = ec2._instance_xml

    def run_and_start(parameters: dict) -> tuple:
        known = set(ec2._instances)
        answer = run_instances(parameters)
        for name in set(ec2._instances) - known:
            start(ec2._instances[name])
        return answer

    def terminate_slowly(parameters: dict) -> tuple:
        with stepping:
            named = [ec2._instances.get(name) for name in ec2._parse_member_list(parameters, "InstanceId")]
            before = [dict(instance["State"]) for instance in named if instance]
            status, headers, body = terminate(parameters)
            if status >= 400:
                return status, headers, body
            for instance, earlier in zip(named, before):
                instance["State"] = earlier
                end(instance)
            return status, headers, with_states(body.decode(), named).encode()

    def describe_whole(instance: dict) -> str:
        more = "".join(
            f"<{name}>{instance[name]}</{name}>" for name in ("instanceLifecycle", "clientToken") if instance.get(name)
        )
        return describe(instance).removesuffix("</item>") + more + "</item>"

    ec2._ACTION_MAP["RunInstances"] = run_and_start
    ec2._ACTION_MAP["TerminateInstances"] = terminate_slowly
    ec2._instance_xml = describe_whole


def with_states(answer: str, instances: list[dict]) -> str:
    """The answer with the state that each instance is in now."""
    states = iter(instances)

    def now(found: re.Match) -> str:
        current = next(states)["State"]
        return f"<code>{current['Code']}</code><name>{current['Name']}</name>{found[1]}"

    return STATE.sub(now, answer)


def state(name: str) -> dict:
    return {"Code": CODES[name], "Name": name}


def later(seconds: float, action, *arguments) -> None:
    """Does it on a thread of its own, for the account and region of now."""
    context = contextvars.copy_context()
    timer = threading.Timer(seconds, context.run, args=(action, *arguments))
    timer.daemon = True
    timer.start()


def start(instance: dict) -> None:
    """The life of a launched instance, which has its tags and its user data, begins."""
    metadata.open_for(instance)
    become(instance, "pending")
    later(STEP_SECONDS, run, instance)


def run(instance: dict) -> None:
    with stepping:
        if instance["State"]["Name"] == "pending":
            become(instance, "running")


def end(instance: dict) -> None:
    """However often it is ended, it ends once."""
    with stepping:
        if instance["State"]["Name"] not in ("shutting-down", "terminated"):
            become(instance, "shutting-down")
            later(STEP_SECONDS, be_gone, instance)


def be_gone(instance: dict) -> None:
    metadata.close_for(instance)
    for mapping in instance["BlockDeviceMappings"]:
        if mapping["Ebs"]["DeleteOnTermination"]:
            ec2._volumes.pop(mapping["Ebs"]["VolumeId"], None)
    instance["_terminated_at"] = time.time()
    become(instance, "terminated")


def power_off(instance: dict) -> None:
    """The machine switches itself off; what that means the launch template says. AWS's default is to stop."""
    if instance.get("shutdown_behavior") == "terminate":
        end(instance)
    else:
        become(instance, "stopping")
        later(STEP_SECONDS, become, instance, "stopped")


def interrupt(instance: dict, seconds: float) -> None:
    """AWS wants the spot instance back so many seconds from now."""
    instance["interruption"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    zone = instance["Placement"]["AvailabilityZone"]
    put_event(
        "EC2 Spot Instance Interruption Warning",
        f"arn:aws:ec2:{zone}:instance/{instance['InstanceId']}",
        {"instance-id": instance["InstanceId"], "instance-action": "terminate"},
    )
    later(seconds, end, instance)


def become(instance: dict, name: str) -> None:
    with stepping:
        instance["State"] = state(name)
    tell_player(instance, name)
    arn = f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance['InstanceId']}"
    detail = {"instance-id": instance["InstanceId"], "state": name}
    put_event("EC2 Instance State-change Notification", arn, detail)


def put_event(kind: str, resource: str, detail: dict) -> None:
    entry = {"Source": "aws.ec2", "DetailType": kind, "Detail": json.dumps(detail), "Resources": [resource]}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def tell_player(instance: dict, name: str) -> None:
    with changed:
        changes.append(
            {
                "number": len(changes) + 1,
                "instance": instance["InstanceId"],
                "state": name,
                "image": instance["ImageId"],
                "metadata": metadata.address_of(instance),
            }
        )
        changed.notify_all()


def changes_after(number: int, patience: float) -> list[dict]:
    """What became of instances after the change of this number, once there is something or it has taken too long."""
    with changed:
        changed.wait_for(lambda: len(changes) > number, patience)
        return changes[number:]
