"""Requests of EC2, which have their structures in the names of parameters: `A.1.B=x` is `{"A": [{"B": "x"}]}`."""


def structure(parameters: dict) -> dict:
    tree: dict = {}
    for name, values in parameters.items():
        *path, last = name.split(".")
        place = tree
        for step in path:
            place = place.setdefault(step, {})
        place[last] = values[0] if isinstance(values, list) else values
    return with_lists(tree)


def with_lists(value):
    """The same, with a list where the names are numbers."""
    if not isinstance(value, dict):
        return value
    if value and all(name.isdigit() for name in value):
        return [with_lists(value[name]) for name in sorted(value, key=int)]
    return {name: with_lists(item) for name, item in value.items()}


def tags(specifications: list[dict] | None, resource_type: str, member: str = "Tag") -> dict[str, str]:
    """The tags for resources of one type in a list of tag specifications."""
    return {
        tag["Key"]: tag.get("Value", "")
        for specification in specifications or []
        if specification.get("ResourceType") == resource_type
        for tag in specification.get(member) or []
    }
