"""Policy variables in conditions, and the condition key dynamodb:LeadingKeys.

On AWS `${aws:userid}` in a condition stands for the caller's own value, and dynamodb:LeadingKeys has the partition keys that a request
names: together they give every machine items of its own. The emulator takes a variable for plain text, and never has the key; so whoever
may only touch items of his own could touch none, and one whose policy has ForAllValues could touch all.

Of a transaction the key has the partition keys of all its items, where AWS looks at them one by one.
"""

import json
import re

from ministack.core import iam_actions, iam_evaluator
from ministack.services import dynamodb

VARIABLE = re.compile(r"\$\{([^},]+)(?:,\s*'([^']*)')?\}")
PLAIN = {"*": "*", "?": "?", "$": "$"}
EQUALITY = re.compile(r"^\s*\(?\s*(#?[\w.-]+)\s*=\s*(:\w+)")


def install() -> None:
    met = iam_evaluator._conditions_met
    context = iam_actions.dynamodb_service_context

    def met_with_values(conditions: dict, request) -> bool:
        try:
            conditions = with_values(conditions, request)
        except LookupError:
            # As on AWS: a variable without a value matches nothing.
            return False
        return met(conditions, request)

    def context_with_keys(body: bytes) -> dict:
        keys = leading_keys(body)
        return {**context(body), **({"dynamodb:LeadingKeys": keys} if keys else {})}

    iam_evaluator._conditions_met = met_with_values
    iam_actions.dynamodb_service_context = context_with_keys


def with_values(expression, request):
    """The conditions with the value of each variable in its place. Names of keys have no variables."""
    if isinstance(expression, dict):
        return {key: with_values(value, request) for key, value in expression.items()}
    if isinstance(expression, list):
        return [with_values(value, request) for value in expression]
    if not isinstance(expression, str):
        return expression
    return VARIABLE.sub(lambda found: value_of(found[1].strip(), found[2], request), expression)


def value_of(name: str, default: str | None, request) -> str:
    value = PLAIN.get(name) or iam_evaluator._resolve_condition_key(name, request) or default
    if not isinstance(value, str):
        raise LookupError(name)
    return value


def leading_keys(body: bytes) -> list[str]:
    """The partition keys that a request names. Empty for one that names none, such as Scan."""
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return []
    if not isinstance(data, dict):
        return []
    keys = [key_of(request) for request in requests_in(data)]
    return sorted({key for key in keys if key is not None})


def requests_in(data: dict):
    """The parts of a request that each name one item, or the items of one partition."""
    yield data
    for item in data.get("TransactItems") or []:
        yield from item.values()
    for table, wanted in (data.get("RequestItems") or {}).items():
        if isinstance(wanted, dict):
            yield from ({"TableName": table, "Key": key} for key in wanted.get("Keys") or [])
        else:
            for change in wanted:
                yield from ({"TableName": table, **request} for request in change.values())


def key_of(request: dict) -> str | None:
    table = dynamodb._tables.get(str(request.get("TableName", "")).rpartition("/")[2])
    if table is None:
        return None
    name = table["pk_name"]
    value = (request.get("Key") or request.get("Item") or {}).get(name) or queried(request, name)
    return next(iter(value.values())) if value else None


def queried(request: dict, name: str) -> dict | None:
    """The value that a query has for the partition key."""
    found = EQUALITY.match(request.get("KeyConditionExpression") or "")
    if found is None:
        return None
    attribute = (request.get("ExpressionAttributeNames") or {}).get(found[1], found[1])
    return (request.get("ExpressionAttributeValues") or {}).get(found[2]) if attribute == name else None
