"""ssm:GetParameters is held to every parameter that it names.

On AWS the call needs the right for each of its names. The emulator looks for the one name that other calls of the service have, finds
none, and asks for the right to "*": whoever may read certain parameters only is refused.
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
        return extract(service, method, path, headers, body, query_params, region, account, *rest)

    def enforce_each(access_key, action, service, region, resource_arn="*", service_context=None):
        resources = asked_for.get() if action == ACTION else []
        for resource in resources or [resource_arn]:
            denied = enforce(access_key, action, service, region, resource_arn=resource, service_context=service_context)
            if denied is not None:
                return denied
        return None

    iam_actions.extract_resource_arn = extract_and_note
    iam_evaluator.enforce = enforce_each


def parameters(body: bytes, region: str, account: str) -> list[str]:
    try:
        names = json.loads(body or b"{}").get("Names", [])
    except (AttributeError, ValueError):
        return []
    prefix = f"arn:aws:ssm:{region}:{account}:parameter"
    return [name if name.startswith("arn:") else f"{prefix}/{name.removeprefix('/')}" for name in names]
