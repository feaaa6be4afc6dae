"""The instance metadata service, as each instance sees it.

On AWS every instance has one to itself, at an address that leads nowhere else: with its own user data, and credentials of the role in
its own instance profile. The emulator has one for everybody, with credentials that it does not know itself. So each instance has a
listener of its own here, which is there as long as the instance is. It is IMDSv2 only, as our launch template wants it.

The credentials' aws:userid is `<id of the role>:<id of the instance>`, as on AWS, and they are held to the policies of the role.
"""

import contextvars
import json
import secrets
import threading
import time
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, sts

CREDENTIALS_SECONDS = 6 * 3600

listeners: dict[str, ThreadingHTTPServer] = {}


def open_for(instance: dict) -> None:
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(instance))
    listener.daemon_threads = True
    listeners[instance["InstanceId"]] = listener
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


def close_for(instance: dict) -> None:
    listener = listeners.pop(instance["InstanceId"], None)
    if listener is not None:
        listener.shutdown()
        listener.server_close()


def address_of(instance: dict) -> str | None:
    listener = listeners.get(instance["InstanceId"])
    return listener and f"http://127.0.0.1:{listener.server_port}"


def handler_for(instance: dict) -> type[BaseHTTPRequestHandler]:
    context = contextvars.copy_context()
    tokens: dict[str, float] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            if self.path != "/latest/api/token" or not lifetime.isdigit():
                return self.answer(400, "")
            token = secrets.token_urlsafe(32)
            tokens[token] = time.monotonic() + int(lifetime)
            self.answer(200, token, {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": lifetime})

        def do_GET(self) -> None:
            expires = tokens.get(self.headers.get("X-aws-ec2-metadata-token", ""), 0)
            if time.monotonic() > expires:
                return self.answer(401, "")
            value = context.copy().run(look_up, instance, self.path.rstrip("/"))
            self.answer(404, "") if value is None else self.answer(200, value)

        def answer(self, status: int, text: str, headers: dict | None = None) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            """Nobody needs to know of every look."""

    return Handler


def look_up(instance: dict, path: str) -> str | None:
    role = role_of(instance.get("IamInstanceProfile"))
    zone = instance["Placement"]["AvailabilityZone"]
    match path.removeprefix("/latest/").split("/"):
        case ["user-data"]:
            return b64decode(instance["UserData"]).decode() or None
        case ["dynamic", "instance-identity", "document"]:
            return json.dumps(identity(instance, zone))
        case ["meta-data", "instance-id"]:
            return instance["InstanceId"]
        case ["meta-data", "instance-type"]:
            return instance["InstanceType"]
        case ["meta-data", "instance-life-cycle"]:
            return instance.get("instanceLifecycle", "on-demand")
        case ["meta-data", "placement", "region"]:
            return get_region()
        case ["meta-data", "placement", "availability-zone"]:
            return zone
        case ["meta-data", "spot", "instance-action"] if "interruption" in instance:
            return json.dumps({"action": "terminate", "time": instance["interruption"]})
        case ["meta-data", "iam", "security-credentials"] if role:
            return role["RoleName"]
        case ["meta-data", "iam", "security-credentials", name] if role and name == role["RoleName"]:
            return json.dumps(credentials(instance, role))
    return None


def identity(instance: dict, zone: str) -> dict:
    return {
        "accountId": get_account_id(),
        "architecture": instance["Architecture"],
        "availabilityZone": zone,
        "imageId": instance["ImageId"],
        "instanceId": instance["InstanceId"],
        "instanceType": instance["InstanceType"],
        "region": get_region(),
        "version": "2017-09-30",
    }


def role_of(profile: dict | None) -> dict | None:
    """The role in an instance profile."""
    found = profile and iam._lookup_instance_profile(arn=profile["Arn"])
    return iam._roles.get(found["Roles"][0]) if found and found["Roles"] else None


def credentials(instance: dict, role: dict) -> dict:
    """The credentials of this instance. They are the same until they are old, as on AWS."""
    now = time.time()
    kept = instance.get("credentials")
    if kept is None or kept["expires"] < now + 600:
        kept = instance["credentials"] = new_credentials(role, instance["InstanceId"], now)
    return {
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": stamp(kept["expires"] - CREDENTIALS_SECONDS),
        "AccessKeyId": kept["id"],
        "SecretAccessKey": kept["secret"],
        "Token": kept["token"],
        "Expiration": stamp(kept["expires"]),
    }


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def new_credentials(role: dict, session: str, now: float) -> dict:
    """Credentials of a role that the emulator knows and holds to the role's policies."""
    made = {
        "id": iam._gen_session_access_key(),
        "secret": iam._gen_secret(),
        "token": iam._gen_session_token(),
        "expires": now + CREDENTIALS_SECONDS,
    }
    account = get_account_id()
    sts.register_session(
        made["id"],
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role['RoleName']}/{session}",
            "UserId": f"{role['RoleId']}:{session}",
            "SecretAccessKey": made["secret"],
            "SessionToken": made["token"],
            "Expiration": made["expires"],
            "AccountId": account,
            "PrincipalType": "AssumedRole",
        },
    )
    return made
