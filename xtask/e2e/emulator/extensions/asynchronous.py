"""Asynchronous invocations that meet a limit of concurrency.

Lambda keeps such an event and tries it again until it is too old, whatever MaximumRetryAttempts says: that number counts failed
runs only. The emulator counts a throttle as a failed run, and so drops the event of a function that must not be retried.
"""

import contextvars
import time

from ministack.services import lambda_svc

LONGEST_PAUSE_SECONDS = 2.0

oldest = contextvars.ContextVar("asynchronous_event_expires", default=None)


def install() -> None:
    invoke = lambda_svc.invoke_async_with_retry
    execute = lambda_svc._execute_function

    def invoke_until_too_old(function: dict, event: dict) -> None:
        # The emulator copies this context into the thread that runs the event.
        token = oldest.set(time.monotonic() + maximum_age(function))
        try:
            invoke(function, event)
        finally:
            oldest.reset(token)

    def execute_unless_throttled(function: dict, event: dict) -> dict:
        pause = 0.1
        while True:
            result = execute(function, event)
            expires = oldest.get()
            if not result.get("throttle") or expires is None or time.monotonic() + pause > expires:
                return result
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    lambda_svc.invoke_async_with_retry = invoke_until_too_old
    lambda_svc._execute_function = execute_unless_throttled


def maximum_age(function: dict) -> float:
    settings = function.get("event_invoke_config") or (function.get("event_invoke_configs") or {}).get("$LATEST") or {}
    return float(settings.get("MaximumEventAgeInSeconds") or 21600)
