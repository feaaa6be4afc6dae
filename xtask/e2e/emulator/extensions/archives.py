"""AWS::Events::Archive.

The emulator has archives and replays in its API, but CloudFormation does not know the resource: a stack that has one fails with
"Unsupported resource type".
"""

import json

from ministack.services import eventbridge
from ministack.services.cloudformation import provisioners


def install() -> None:
    provisioners._RESOURCE_HANDLERS["AWS::Events::Archive"] = {
        "create": create,
        "update": update,
        "delete": delete,
    }


def create(logical_id: str, properties: dict, stack_name: str) -> tuple[str, dict]:
    name = properties.get("ArchiveName") or provisioners._physical_name(stack_name, logical_id, max_len=48)
    answer = call(eventbridge._create_archive, request(name, properties))
    return name, {"Arn": answer["ArchiveArn"], "ArchiveName": name}


def update(physical_id: str, old: dict, new: dict, stack_name: str) -> tuple[str, dict]:
    answer = call(eventbridge._update_archive, request(physical_id, new))
    return physical_id, {"Arn": answer["ArchiveArn"], "ArchiveName": physical_id}


def delete(physical_id: str, properties: dict) -> None:
    eventbridge._delete_archive({"ArchiveName": physical_id})


def request(name: str, properties: dict) -> dict:
    data = {
        "ArchiveName": name,
        "EventSourceArn": properties["SourceArn"],
        "Description": properties.get("Description", ""),
        "RetentionDays": int(properties.get("RetentionDays", 0)),
    }
    if properties.get("EventPattern"):
        data["EventPattern"] = json.dumps(properties["EventPattern"])
    return data


def call(function, data: dict) -> dict:
    status, _, body = function(data)
    if status >= 400:
        raise ValueError(f"AWS::Events::Archive: {body!r}")
    return json.loads(body)
