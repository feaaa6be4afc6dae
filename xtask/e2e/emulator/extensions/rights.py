"""Resources that a call is held to.

* On AWS ssm:GetParameters needs the right for each of its names. The emulator looks for the one name that other calls of the service
  have, finds none, and asks for the right to "*": whoever may read certain parameters only is refused.
* On AWS what is done to a stream of a log needs the right to the stream. The emulator asks for the right to the log group without
  anything behind it, which not even the ARN that CloudFormation has for the group allows: that one ends with ":*".
"""

import contextvars
import json

from ministack.core import iam_actions, iam_evaluator

ACTION = "ssm:GetParameters"

asked_for: contextvars.ContextVar[list[str]] = contextvars.ContextVar("parameters_asked_for", default=[])


def install() -> None:
    extract = iam_actions.extract_resource_arn
    enforce = iam_evaluator.enforce

    def extract_and_note(service, method, path, headers, body, query_params, region, account, *rest) -> str:
        asked_for.set(parameters(body, region, account) if service == "ssm" else [])
        resource = extract(service, method, path, headers, body, query_params, region, account, *rest)
        return resource + suffix(body) if service == "logs" else resource

    def enforce_each(access_key, action, service, region, resource_arn="*", service_context=None):
        resources = asked_for.get() if action == ACTION else []
        for resource in resources or [resource_arn]:
            denied = enforce(access_key, action, service, region, resource_arn=resource, service_context=service_context)
            if denied is not None:
                return denied
        return None

    iam_actions.extract_resource_arn = extract_and_note
    iam_evaluator.enforce = enforce_each


def suffix(body: bytes) -> str:
    """What stands behind the ARN of a log group if one of its streams is meant."""
    try:
        stream = json.loads(body or b"{}").get("logStreamName")
    except (AttributeError, ValueError):
        return ""
    return f":log-stream:{stream}" if stream else ""


def parameters(body: bytes, region: str, account: str) -> list[str]:
    try:
        names = json.loads(body or b"{}").get("Names", [])
    except (AttributeError, ValueError):
        return []
    prefix = f"arn:aws:ssm:{region}:{account}:parameter"
    return [name if name.startswith("arn:") else f"{prefix}/{name.removeprefix('/')}" for name in names]
