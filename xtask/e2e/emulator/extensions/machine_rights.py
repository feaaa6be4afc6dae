"""What EC2 asks of a caller's policies.

On AWS a launch is held to every resource it takes part in (Service Authorization Reference, "Actions, resources, and condition keys for
Amazon EC2"), tags that are set at a launch need a right of their own, and so do the instance's role and a parameter that names the image.
The emulator looks at one resource of a request, with neither the tags it sets nor those that the resource has, and at nothing behind
CreateFleet.

Where AWS does not say what it does, this asks for more: ec2:CreateFleet is wanted for every resource that the reference has for it,
and the ec2:CreateAction of a fleet's tags may be CreateFleet or RunInstances, so that a policy must allow both.

Like AWS, CreateFleet itself answers that it is refused, and has what is refused behind it among its errors.
"""

import contextvars
import dataclasses

from extensions import metadata, query
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

asked: contextvars.ContextVar[dict] = contextvars.ContextVar("ec2_request", default={})
caller: contextvars.ContextVar[str] = contextvars.ContextVar("ec2_caller", default="")


@dataclasses.dataclass
class Launch:
    """One instance that a fleet would launch."""

    template: str
    from_template: set[str]
    image: str
    image_parameter: str | None
    instance_type: str
    subnet: str
    security_groups: list[str]
    profile: dict | None
    metadata: dict
    encrypted: bool
    market: str
    instance_tags: dict[str, str]
    volume_tags: dict[str, str]


def install() -> None:
    extract = iam_actions.extract_resource_arn
    enforce = iam_evaluator.enforce

    def extract_and_note(service, method, path, headers, body, query_params, region, account, *rest) -> str:
        asked.set(query.structure(query_params) if service == "ec2" else {})
        return extract(service, method, path, headers, body, query_params, region, account, *rest)

    def enforce_each(access_key, action, service, region, resource_arn="*", service_context=None):
        caller.set(access_key)
        found = resources(action, asked.get())
        for resource, keys in [(resource_arn, {})] if found is None else found:
            context = {**(service_context or {}), **tags_of(resource), **keys}
            denied = enforce(access_key, action, service, region, resource_arn=resource, service_context=context)
            if denied is not None:
                return denied
        return None

    iam_actions.extract_resource_arn = extract_and_note
    iam_evaluator.enforce = enforce_each


def arn(kind: str, name: str, owner: str | None = None) -> str:
    return f"arn:aws:ec2:{get_region()}:{get_account_id() if owner is None else owner}:{kind}/{name}"


def resources(action: str, request: dict) -> list[tuple[str, dict]] | None:
    """What a request is about, each with its own condition keys. None where the emulator knows it itself."""
    if action.startswith("ec2:Describe"):
        return [("*", {})]
    if action == "ec2:TerminateInstances":
        # Of one that is not there nothing is asked: the answer is that it is not there.
        return [(arn("instance", name), {}) for name in request.get("InstanceId", []) if name in ec2._instances]
    if action != "ec2:CreateFleet":
        return None
    kinds = ("fleet", "instance", "volume", "network-interface")
    found = [(arn(kind, "*"), requested(query.tags(request.get("TagSpecification"), kind))) for kind in kinds]
    for config in request.get("LaunchTemplateConfigs", []):
        template = config.get("LaunchTemplateSpecification", {}).get("LaunchTemplateId")
        found += [(arn("launch-template", template), {})] if template else []
        for pool in config.get("Overrides", []):
            found += [(arn("subnet", pool["SubnetId"]), {})] if "SubnetId" in pool else []
            image = pool.get("ImageId", "")
            found += [(arn("image", image, owner=""), {})] if image.startswith("ami-") else []
    return found


def requested(tags: dict[str, str]) -> dict:
    if not tags:
        return {}
    return {"aws:TagKeys": list(tags), **{f"aws:RequestTag/{name}": value for name, value in tags.items()}}


def tags_of(resource: str) -> dict:
    """The tags that a resource of EC2 has."""
    if not resource.startswith("arn:aws:ec2:"):
        return {}
    tags = ec2._tags.get(resource.rpartition("/")[2]) or []
    return {f"{prefix}:ResourceTag/{tag['Key']}": tag["Value"] for tag in tags for prefix in ("aws", "ec2")}


def objection(launch: Launch) -> str | None:
    """What the caller of now may not do of what this launch takes."""
    for action, resource, keys in needed(launch):
        denied = iam_evaluator.enforce(
            caller.get(), action, action.partition(":")[0], get_region(), resource_arn=resource, service_context=keys
        )
        if denied is not None:
            return f"You are not authorized to perform this operation. {action} on {resource} is not allowed."
    return None


def needed(launch: Launch):
    if launch.image_parameter:
        name = launch.image_parameter
        prefix = f"arn:aws:ssm:{get_region()}:{'' if name.startswith('/aws/') else get_account_id()}:parameter"
        yield "ssm:GetParameters", f"{prefix}/{name.removeprefix('/')}", {}
    for kind, name, keys in parts(launch):
        from_template = str(kind in launch.from_template).lower()
        owner = "" if kind == "image" else None
        always = {"ec2:LaunchTemplate": arn("launch-template", launch.template), "ec2:Region": get_region()}
        yield (
            "ec2:RunInstances",
            arn(kind, name, owner),
            {**always, "ec2:IsLaunchTemplateResource": from_template, **keys},
        )
    for kind, tags in (("instance", launch.instance_tags), ("volume", launch.volume_tags)):
        for created_by in ("CreateFleet", "RunInstances") if tags else ():
            yield "ec2:CreateTags", arn(kind, "*"), {"ec2:CreateAction": created_by, **requested(tags)}
    if role := metadata.role_of(launch.profile):
        yield "iam:PassRole", role["Arn"], {"iam:PassedToService": "ec2.amazonaws.com"}


def parts(launch: Launch):
    """The resources that a launch takes or makes, with the condition keys that each has."""
    vpc = arn("vpc", ec2._subnets.get(launch.subnet, {}).get("VpcId", ""))
    subnet = {"ec2:Subnet": arn("subnet", launch.subnet), "ec2:Vpc": vpc}
    instance = {
        "ec2:InstanceType": launch.instance_type,
        "ec2:InstanceMarketType": launch.market,
        "ec2:MetadataHttpTokens": launch.metadata.get("HttpTokens"),
        "ec2:MetadataHttpEndpoint": launch.metadata.get("HttpEndpoint"),
        "ec2:MetadataHttpPutResponseHopLimit": launch.metadata.get("HttpPutResponseHopLimit"),
        "ec2:InstanceProfile": (launch.profile or {}).get("Arn"),
    }
    yield "instance", "*", {**instance, **requested(launch.instance_tags)}
    yield "volume", "*", {"ec2:Encrypted": str(launch.encrypted).lower(), **requested(launch.volume_tags)}
    yield "network-interface", "*", subnet
    yield "subnet", launch.subnet, subnet
    yield "image", launch.image, {}
    yield "launch-template", launch.template, {}
    for group in launch.security_groups:
        yield "security-group", group, {"ec2:Vpc": vpc, "ec2:SecurityGroupID": group}
    if launch.market == "spot":
        yield "spot-instances-request", "*", {}
