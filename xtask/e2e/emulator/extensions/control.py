"""What tests say to the emulated EC2, and what they hear of it: HTTP on the port MAYFLY_MACHINES_PORT.

GET  /changes?after=N                  what became of instances after change N: waits until there is something, for a while
GET  /instances                        all that there are, and for a while those that were
POST /instances                        launches a running one that nobody looks after, with the tags of this object
PUT  /capacity                         a list, see `fleets.capacity`
PUT  /fates                            a list, see `fleets.fates`
GET  /written                          what must hold no secret: tags, user data, logs, events, what state machines were told
GET  /roles/<name>/credentials         credentials of a role, whoever it trusts
POST /instances/<id>/power-off         the machine switches itself off
POST /instances/<id>/interruption?in=N AWS wants the spot instance back in N seconds
POST /schedules/<name>/firing          it is time for this schedule
"""

import contextvars
import json
import os
import threading
import time
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from extensions import fleets, machines, metadata, schedules
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import cloudwatch_logs, ec2, eventbridge, iam, stepfunctions

PATIENCE_SECONDS = 10.0


def install() -> None:
    port = os.environ.get("MAYFLY_MACHINES_PORT")
    if port:
        listener = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
        listener.daemon_threads = True
        threading.Thread(target=listener.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.respond()

    def do_PUT(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def respond(self) -> None:
        target = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(target.query).items()}
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        request = (self.command, *target.path.strip("/").split("/"))
        status, answer = contextvars.copy_context().run(as_account, request, parameters, body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_) -> None:
        """Nobody needs to know of every request."""


def as_account(request: tuple, parameters: dict, body) -> tuple:
    set_request_account_id(os.environ["MINISTACK_ACCOUNT_ID"])
    set_request_region(os.environ["MINISTACK_REGION"])
    return handle(request, parameters, body)


def handle(request: tuple, parameters: dict, body) -> tuple:
    match request:
        case ("GET", "changes"):
            return 200, machines.changes_after(int(parameters.get("after", 0)), PATIENCE_SECONDS)
        case ("GET", "written"):
            return 200, written()
        case ("GET", "roles", name, "credentials") if name in iam._roles:
            made = metadata.new_credentials(iam._roles[name], "tests", time.time())
            return 200, {key: made[key] for key in ("id", "secret", "token")}
        case ("GET", "instances"):
            return 200, [view(instance) for instance in ec2._instances.values()]
        case ("POST", "instances"):
            return 200, run_one(body)
        case ("PUT", "capacity"):
            fleets.capacity[:] = body
        case ("PUT", "fates"):
            fleets.fates[:] = body
        case ("POST", "instances", name, "power-off") if name in ec2._instances:
            machines.power_off(ec2._instances[name])
        case ("POST", "instances", name, "interruption") if name in ec2._instances:
            machines.interrupt(ec2._instances[name], float(parameters["in"]))
        case ("POST", "schedules", name, "firing"):
            return schedules.fire(name)
        case _:
            return 404, None
    return 200, None


def view(instance: dict) -> dict:
    volumes = [mapping["Ebs"]["VolumeId"] for mapping in instance["BlockDeviceMappings"]]
    return {
        "id": instance["InstanceId"],
        "state": instance["State"]["Name"],
        "image": instance["ImageId"],
        "type": instance["InstanceType"],
        "lifecycle": instance.get("instanceLifecycle"),
        "tags": tags_of(instance["InstanceId"]),
        "volumes": {name: tags_of(name) for name in volumes if name in ec2._volumes},
    }


def tags_of(resource: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in ec2._tags.get(resource) or []}


def run_one(tags: dict[str, str]) -> str:
    known = set(ec2._instances)
    parameters = {"ImageId": ["ami-00000001"], "TagSpecification.1.ResourceType": ["instance"]}
    for number, (name, value) in enumerate(tags.items(), 1):
        prefix = f"TagSpecification.1.Tag.{number}"
        parameters |= {f"{prefix}.Key": [name], f"{prefix}.Value": [value]}
    ec2._ACTION_MAP["RunInstances"](parameters)
    [name] = set(ec2._instances) - known
    return name


def written() -> dict[str, str]:
    kinds = {
        "tags": list(ec2._tags.items()),
        "user data": [b64decode(instance["UserData"]).decode() for instance in ec2._instances.values()],
        "logs": [group for _, group in cloudwatch_logs._log_groups.items()],
        "events": eventbridge._events_log_list(),
        "state machines": [execution for _, execution in stepfunctions._executions.items()],
    }
    return {kind: json.dumps(found, default=str) for kind, found in kinds.items()}
