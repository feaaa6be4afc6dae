"""CreateFleet of type instant.

AWS gives the first answer again for a client token that it knows, and refuses one that comes with another request. A pool (a set of
overrides) may have an image, an image in Parameter Store and a root volume of its own; volumes get tags; a pool that gives nothing is
among the answer's errors. The emulator knows no tokens, takes of a pool only its type and subnet, and always has room.

How much room there is, tests say by `capacity`: the first entry that fits a pool says how many instances it has left. What becomes of
the next calls they say by `fates`: `refused` before it has any effect, or `lost`, which is an answer that nobody gets of a call that
did what it should.
"""

import hashlib
import json

from extensions import machine_rights, machines, pools, query
from extensions.pools import Refused
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import ec2

NO_ROOM = ("InsufficientInstanceCapacity", "There is no capacity available that matches your request.")

capacity: list[dict] = []
fates: list[dict] = []
answers: dict[tuple, tuple[str, tuple]] = {}


def install() -> None:
    ec2._ACTION_MAP["CreateFleet"] = create


def create(parameters: dict) -> tuple:
    fate = fates.pop(0) if fates else {}
    if fate.get("fate") == "refused":
        return ec2._error(fate["code"], "The tests want it so.", fate.get("status", 503))
    answer = once(query.structure(parameters))
    if fate.get("fate") == "lost":
        return ec2._error("InternalError", "The answer was lost.", 500)
    return answer


def once(request: dict) -> tuple:
    """The answer of the first call with this client token."""
    signature = [item for item in request.items() if item[0] not in ("ClientToken", "Action", "Version")]
    digest = hashlib.sha256(json.dumps(sorted(signature)).encode()).hexdigest()
    token = (get_account_id(), get_region(), request.get("ClientToken") or new_uuid())
    known, answer = answers.get(token, (digest, None))
    if known != digest:
        message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
        return ec2._error("IdempotentParameterMismatch", message, 400)
    if answer is None:
        try:
            answer = fulfil(request)
        except Refused as refusal:
            return ec2._error(refusal.code, str(refusal), 400)
        answers[token] = (digest, answer)
    return answer


def fulfil(request: dict) -> tuple:
    if request.get("Type") != "instant":
        raise Refused("InvalidParameterValue", "Fleets of this type are not emulated.")
    configs = request.get("LaunchTemplateConfigs", [])
    choices = [pool for config in configs for pool in pools.pools_of(config, request.get("TagSpecification"))]
    given: list[tuple[int, str]] = []
    refused: dict[tuple[int, str, str], str] = {}
    wanted = wanted_instances(request)
    for market, count in wanted:
        given += filter(None, (choose(choices, market, refused) for _ in range(count)))
    options = request.get("SpotOptions" if wanted[0][0] == "spot" else "OnDemandOptions", {})
    if len(given) < int(options.get("MinTargetCapacity") or 0):
        given = []
    launched: dict[tuple[int, str], list[str]] = {}
    for number, market in given:
        instance = pools.launch(choices[number], market)
        instance["clientToken"] = request.get("ClientToken")
        machines.start(instance)
        launched.setdefault((number, market), []).append(instance["InstanceId"])
    return ec2._xml(200, "CreateFleetResponse", answer_of(choices, launched, refused))


def wanted_instances(request: dict) -> list[tuple[str, int]]:
    """How many instances of each market."""
    target = request["TargetCapacitySpecification"]
    total = int(target["TotalTargetCapacity"])
    named = {"spot": target.get("SpotTargetCapacity"), "on-demand": target.get("OnDemandTargetCapacity")}
    default = target.get("DefaultTargetCapacityType", "on-demand")
    other = "on-demand" if default == "spot" else "spot"
    rest = int(named[other] or 0)
    return [(market, count) for market, count in ((default, total - rest), (other, rest)) if count]


def choose(choices: list[dict], market: str, refused: dict) -> tuple[int, str] | None:
    """The first pool that has an instance left."""
    for number, pool in enumerate(choices):
        problem = problem_of(pool, market)
        if problem is None:
            return number, market
        refused[number, market, problem[0]] = problem[1]
    return None


def problem_of(pool: dict, market: str) -> tuple[str, str] | None:
    if pool["subnet_id"] not in ec2._subnets:
        return "InvalidSubnetID.NotFound", f"The subnet ID '{pool['subnet_id']}' does not exist"
    objections = pool.setdefault("objections", {})
    if market not in objections:
        objections[market] = machine_rights.objection(pools.as_launch(pool, market))
    if objections[market]:
        return "UnauthorizedOperation", objections[market]
    facts = {"market": market, "type": pool["instance_type"], "subnet": pool["subnet_id"], "image": pool["image_id"]}
    for entry in capacity:
        if all(entry.get(name, value) == value for name, value in facts.items()):
            if entry["left"] > 0:
                entry["left"] -= 1
                return None
            return entry.get("code", NO_ROOM[0]), entry.get("message", NO_ROOM[1])
    return None


def answer_of(choices: list[dict], launched: dict, refused: dict) -> str:
    given = "".join(
        f"<item>{pools.described(choices[number])}<lifecycle>{market}</lifecycle>"
        f"<instanceIds>{''.join(f'<item>{name}</item>' for name in names)}</instanceIds>"
        f"<instanceType>{choices[number]['instance_type']}</instanceType></item>"
        for (number, market), names in launched.items()
    )
    missing = "".join(
        f"<item>{pools.described(choices[number])}<lifecycle>{market}</lifecycle>"
        f"<errorCode>{code}</errorCode><errorMessage>{ec2._esc(message)}</errorMessage></item>"
        for (number, market, code), message in refused.items()
    )
    return (
        f"<fleetId>fleet-{new_uuid()}</fleetId><fleetInstanceSet>{given}</fleetInstanceSet>"
        f"<errorSet>{missing}</errorSet>"
    )
