"""What CloudFormation in the emulator makes of templates otherwise than AWS.

* Fn::Join of a list parameter in a condition is never equal to anything: it is not evaluated there.
* AWS::Lambda::Function: ReservedConcurrentExecutions and TenancyConfig are dropped. (The emulator enforces reserved concurrency
  that was set through the API; tenancy is enforced by our module `tenancy`.)
* Numbers that come from a parameter stay text: the size of AWS::Lambda::Function's EphemeralStorage, which the SDKs for Rust and
  Java refuse to read, and the MaximumConcurrency of AWS::Lambda::EventSourceMapping, on which the poller breaks.
* The SAM transform is not told the parameters: what it resolves itself, such as the names of layers, gets their defaults.
"""

import contextvars

from ministack.services import lambda_svc
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks
from samtranslator.translator import transform as sam

parameters_of_stack: contextvars.ContextVar[dict] = contextvars.ContextVar("parameters_of_stack")


def install() -> None:
    tell_sam_parameters()
    evaluate = engine._evaluate_conditions

    def evaluate_joined(template: dict, parameters: dict) -> dict:
        conditions = with_joins(template.get("Conditions", {}), parameters)
        return evaluate({**template, "Conditions": conditions}, parameters)

    for module in (changesets, engine, handlers, stacks):
        module._evaluate_conditions = evaluate_joined
    wrap("AWS::Lambda::Function", "_lambda_create", "_lambda_update", before=None, after=complete_function)
    wrap("AWS::Lambda::EventSourceMapping", "_lambda_esm_create", "_lambda_esm_update", before=with_numbers, after=None)


def tell_sam_parameters() -> None:
    apply = engine._apply_transforms
    translate = sam.transform

    def apply_with_parameters(template: dict, provided=None, previous=None) -> dict:
        token = parameters_of_stack.set(engine._transform_parameters(template, provided, previous))
        try:
            return apply(template, provided, previous)
        finally:
            parameters_of_stack.reset(token)

    def translate_with_parameters(template: dict, _parameters: dict, *rest) -> dict:
        return translate(template, parameters_of_stack.get(), *rest)

    for module in (changesets, engine, handlers):
        module._apply_transforms = apply_with_parameters
    sam.transform = translate_with_parameters


def with_joins(expression, parameters: dict):
    """The expression with the value of each Fn::Join of a list parameter in its place."""
    if isinstance(expression, list):
        return [with_joins(item, parameters) for item in expression]
    if not isinstance(expression, dict):
        return expression
    if "Fn::Join" in expression:
        separator, items = expression["Fn::Join"]
        if isinstance(items, dict) and items.get("Ref") in parameters:
            return separator.join(item.strip() for item in parameters[items["Ref"]]["Value"].split(","))
    return {key: with_joins(value, parameters) for key, value in expression.items()}


def wrap(resource_type: str, create_name: str, update_name: str, before, after) -> None:
    """Changes the properties that creating and updating a resource begin with, or the resource that comes of it."""
    create = getattr(provisioners, create_name)
    update = getattr(provisioners, update_name)
    before = before or (lambda properties: properties)
    after = after or (lambda name, properties: None)

    def create_whole(logical_id: str, properties: dict, stack_name: str) -> tuple:
        result = create(logical_id, before(properties), stack_name)
        after(result[0], properties)
        return result

    def update_whole(physical_id: str, old: dict, new: dict, *rest, **named) -> tuple:
        result = update(physical_id, old, before(new), *rest, **named)
        after(result[0], new)
        return result

    # An update may create anew, by the name that it knows.
    setattr(provisioners, create_name, create_whole)
    provisioners._RESOURCE_HANDLERS[resource_type].update(create=create_whole, update=update_whole)


def complete_function(name: str, properties: dict) -> None:
    function = lambda_svc._functions[name]
    reserved = properties.get("ReservedConcurrentExecutions")
    function["concurrency"] = None if reserved is None else int(reserved)
    storage = function["config"]["EphemeralStorage"]
    storage["Size"] = int(storage["Size"])
    if "TenancyConfig" in properties:
        function["config"]["TenancyConfig"] = properties["TenancyConfig"]


def with_numbers(properties: dict) -> dict:
    scaling = properties.get("ScalingConfig") or {}
    if "MaximumConcurrency" not in scaling:
        return properties
    return {**properties, "ScalingConfig": {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}}
