"""A filter of an event source that says `{"exists": false}` of a field below another one that is not there either.

On AWS it matches: the field does not exist. `{"userIdentity": {"type": [{"exists": false}]}}` is how changes that are not made by the
service itself (time to live) are told from those that are. In the emulator it never matches.
"""

from ministack.services import lambda_svc


def install() -> None:
    match = lambda_svc._match_esm_filter

    def match_absent(record: dict, pattern: dict) -> bool:
        absent = {key: {} for key, wanted in pattern.items() if isinstance(wanted, dict) and record.get(key) is None}
        return match({**record, **absent}, pattern)

    lambda_svc._match_esm_filter = match_absent
