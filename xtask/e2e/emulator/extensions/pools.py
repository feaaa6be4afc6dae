"""The pools of a fleet's request, and the instances they give."""

import re

from extensions import machine_rights, query
from ministack.services import ec2, ssm

RESOLVE = "resolve:ssm:"
# Families such as c7g, t4g, m8gd.
ARM = re.compile(r"^[a-z]+[0-9]+g")


class Refused(Exception):
    """A call that has no effect."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def pools_of(config: dict, tag_specifications: list[dict] | None):
    """The pools of one launch template: for each set of overrides, what would be launched."""
    specification = config.get("LaunchTemplateSpecification", {})
    data, template, error = ec2._resolve_launch_template_data(specification)
    if error:
        raise Refused("InvalidLaunchTemplateId.NotFoundException", "The specified launch template does not exist")
    if template is None:
        raise Refused("MissingParameter", "A fleet needs a launch template.")
    specification = {**specification, "LaunchTemplateId": template["LaunchTemplateId"]}
    for overrides in config.get("Overrides") or [{}]:
        slot = ec2._slot_from_lt_data(specification, data)
        image, parameter = image_of(overrides.get("ImageId") or data.get("ImageId"))
        both = {
            kind: {
                **query.tags(data.get("TagSpecifications"), kind, "Tags"),
                **query.tags(tag_specifications, kind),
            }
            for kind in ("instance", "volume")
        }
        yield {
            **slot,
            "overrides": overrides,
            "data": data,
            "image_id": image,
            "image_parameter": parameter,
            "instance_type": overrides.get("InstanceType") or slot["instance_type"],
            "subnet_id": overrides.get("SubnetId") or slot["subnet_id"],
            "devices": devices_of(data, overrides),
            "tags": both,
        }


def image_of(wanted: str | None) -> tuple[str, str | None]:
    """The image, and the parameter that names it."""
    if not wanted:
        raise Refused("MissingParameter", "The request must contain the parameter ImageId")
    if not wanted.startswith(RESOLVE):
        return wanted, None
    name = wanted.removeprefix(RESOLVE)
    parameter, _ = ssm._select_parameter(name)
    if parameter is None:
        raise Refused("InvalidParameterValue", f"The parameter {name} cannot be resolved to an image.")
    return parameter["Value"], name


def devices_of(data: dict, overrides: dict) -> dict[str, dict]:
    """The volumes, by their devices. What the overrides do not say of one is as the launch template says."""
    devices = {each["DeviceName"]: dict(each.get("Ebs", {})) for each in data.get("BlockDeviceMappings", [])}
    for each in overrides.get("BlockDeviceMapping", []):
        devices.setdefault(each["DeviceName"], {}).update(each.get("Ebs", {}))
    return devices


def as_launch(pool: dict, market: str) -> machine_rights.Launch:
    overridden = {"ImageId": "image", "SubnetId": "subnet"}
    from_template = {"launch-template", "security-group"} | {
        kind for name, kind in overridden.items() if name in pool["data"] and name not in pool["overrides"]
    }
    return machine_rights.Launch(
        template=pool["spec"]["LaunchTemplateId"],
        from_template=from_template,
        image=pool["image_id"],
        image_parameter=pool["image_parameter"],
        instance_type=pool["instance_type"],
        subnet=pool["subnet_id"],
        security_groups=pool["sg_ids"] or [ec2._DEFAULT_SG_ID],
        profile=pool["iam_profile"],
        metadata=pool["data"].get("MetadataOptions", {}),
        encrypted=all(is_true(device.get("Encrypted")) for device in pool["devices"].values()),
        market=market,
        instance_tags=pool["tags"]["instance"],
        volume_tags=pool["tags"]["volume"],
    )


def is_true(value) -> bool:
    return str(value).lower() == "true"


def launch(pool: dict, market: str) -> dict:
    names = ("image_id", "instance_type", "subnet_id", "key_name", "user_data", "sg_ids", "iam_profile")
    [instance] = ec2._launch_instances_internal(count=1, **{name: pool[name] for name in names})
    instance["Placement"]["AvailabilityZone"] = ec2._subnets[pool["subnet_id"]]["AvailabilityZone"]
    instance["Architecture"] = "arm64" if ARM.match(pool["instance_type"]) else "x86_64"
    instance["shutdown_behavior"] = pool["data"].get("InstanceInitiatedShutdownBehavior", "stop")
    if market == "spot":
        instance["instanceLifecycle"] = "spot"
    ec2._tags[instance["InstanceId"]] = as_list(pool["tags"]["instance"])
    [root] = instance["BlockDeviceMappings"]
    volume = ec2._volumes[root["Ebs"]["VolumeId"]]
    # The first one is the root.
    for device, wanted in list(pool["devices"].items())[:1]:
        root["DeviceName"] = instance["RootDeviceName"] = volume["Attachments"][0]["Device"] = device
        volume["Size"] = int(wanted.get("VolumeSize", volume["Size"]))
        volume["VolumeType"] = wanted.get("VolumeType", "gp3")
        volume["Encrypted"] = is_true(wanted.get("Encrypted"))
        root["Ebs"]["DeleteOnTermination"] = is_true(wanted.get("DeleteOnTermination", True))
    ec2._tags[volume["VolumeId"]] = as_list(pool["tags"]["volume"])
    return instance


def as_list(tags: dict[str, str]) -> list[dict]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def described(pool: dict) -> str:
    specification, overrides = pool["spec"], pool["overrides"]
    names = {"InstanceType": "instanceType", "SubnetId": "subnetId", "ImageId": "imageId"}
    shown = "".join(f"<{tag}>{overrides[name]}</{tag}>" for name, tag in names.items() if name in overrides)
    return (
        "<launchTemplateAndOverrides><launchTemplateSpecification>"
        f"<launchTemplateId>{specification['LaunchTemplateId']}</launchTemplateId>"
        f"<version>{specification.get('Version', '$Default')}</version></launchTemplateSpecification>"
        f"<overrides>{shown}</overrides></launchTemplateAndOverrides>"
    )
