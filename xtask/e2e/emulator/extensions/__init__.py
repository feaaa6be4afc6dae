"""What MiniStack 1.5.33 lacks of what our stacks use.

The stacks are written for AWS and deployed here as they are. Where the emulator knows less than they need, one module of this
package teaches it; the module says what AWS does and what the emulator does without it. Each replaces a function by a wrapper
around it. A function that is gone after an update of the emulator stops the start with an AttributeError, and the pinned version
in xtask/python/emulator.txt is what all of this was tried with.
"""

from importlib import import_module

# In this order. The other modules of the package are parts of these.
MODULES = (
    "archives",
    "asynchronous",
    "control",
    "environments",
    "fleets",
    "logs",
    "machine_rights",
    "machines",
    "network",
    "policies",
    "rights",
    "schedules",
    "streams",
    "templates",
    "tenancy",
    "transport",
)


def install() -> None:
    for name in MODULES:
        import_module(f"{__name__}.{name}").install()
