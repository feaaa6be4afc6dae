"""AWS::EC2::EIP and AWS::EC2::NatGateway.

The emulator has both in its API, as records, but CloudFormation does not know the resources: a stack that has one fails with
"Unsupported resource type".
"""

import re

from ministack.services import ec2
from ministack.services.cloudformation import provisioners


def install() -> None:
    provisioners._RESOURCE_HANDLERS["AWS::EC2::EIP"] = {"create": create_address, "delete": delete_address}
    provisioners._RESOURCE_HANDLERS["AWS::EC2::NatGateway"] = {"create": create_gateway, "delete": delete_gateway}


def create_address(logical_id: str, properties: dict, stack_name: str) -> tuple[str, dict]:
    answer = call(ec2._allocate_address, Domain=properties.get("Domain", "vpc"))
    address = element(answer, "publicIp")
    return address, {"AllocationId": element(answer, "allocationId"), "PublicIp": address}


def delete_address(physical_id: str, properties: dict) -> None:
    for allocation, address in list(ec2._addresses.items()):
        if address["PublicIp"] == physical_id:
            ec2._release_address(query(AllocationId=allocation))


def create_gateway(logical_id: str, properties: dict, stack_name: str) -> tuple[str, dict]:
    wanted = {name: properties[name] for name in ("AllocationId", "SubnetId")}
    gateway = element(call(ec2._create_nat_gateway, **wanted), "natGatewayId")
    return gateway, {"NatGatewayId": gateway}


def delete_gateway(physical_id: str, properties: dict) -> None:
    ec2._delete_nat_gateway(query(NatGatewayId=physical_id))


def call(function, **parameters: str) -> str:
    status, _, body = function(query(**parameters))
    text = body.decode()
    if status >= 400:
        raise ValueError(text)
    return text


def query(**parameters: str) -> dict[str, list[str]]:
    """Parameters in the form in which the emulator has them from a request."""
    return {name: [value] for name, value in parameters.items()}


def element(answer: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]+)</{name}>", answer)
    if found is None:
        raise ValueError(f"no {name} in {answer}")
    return found[1]
