"""The environment of functions with runtime provided.al2023, which the emulator runs as plain processes on this machine.

On Lambda a function sees a small environment, its layers below /opt, and a /tmp that no other environment shares. The emulator
hands down all of its own environment, with the credentials and paths in it, and forgets the layers; and /tmp is this machine's. So:

* Nothing of the emulator's environment is inherited but the region and the emulator's address.
* The layers are unpacked into one folder, in their order. It stands for /opt: its `bin` is at the end of PATH and its `lib` in
  LD_LIBRARY_PATH, as on Lambda, and a variable of the function whose value is below /opt is made to point into it.
* Each process has an empty folder of its own that stands for /tmp, and a variable of the function whose value is /tmp, or below
  it, is made to point there.
* A function whose role is changed gets new processes, with the credentials of the new role. The emulator keeps the old ones.
"""

import hashlib
import io
import os
import tempfile
import threading
import zipfile

from ministack.services import lambda_svc

# As in the runtime's image, but for the parts of it that this machine lacks.
PATH = "/usr/local/bin:/usr/bin:/bin"
INHERITED = ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL", lambda_svc.HOST_PREFIX_ENV)

unpacking = threading.Lock()


def install() -> None:
    build = lambda_svc._provided_worker_env

    def environment(config: dict, code_folder: str, port: int) -> dict:
        variables = build(config, code_folder, port)
        lambdas = {name: value for name, value in variables.items() if os.environ.get(name) != value}
        inherited = {name: variables[name] for name in INHERITED if name in variables}
        opt = layers_folder(config)
        folders = {"/opt": opt, "/tmp": new_folder("tmp")}
        own = {name: moved(value, folders) for name, value in lambda_svc._runtime_env_vars(config).items()}
        return {**lambda_like(config, opt), **inherited, **lambdas, **own}

    update = lambda_svc._update_config

    def update_and_renew(name: str, data: dict) -> tuple:
        answer = update(name, data)
        if "Role" in data and answer[0] < 400:
            lambda_svc.invalidate_worker(name)
        return answer

    lambda_svc._provided_worker_env = environment
    lambda_svc._update_config = update_and_renew


def lambda_like(config: dict, opt: str) -> dict:
    return {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": f"{PATH}:{opt}/bin",
        "LD_LIBRARY_PATH": f"{opt}/lib",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": (config.get("LoggingConfig") or {}).get("LogGroup", ""),
    }


def moved(value: str, folders: dict[str, str]) -> str:
    """The value, if it is one of these folders or below one, moved to where that folder really is."""
    for folder, place in folders.items():
        if value == folder or value.startswith(f"{folder}/"):
            return place + value.removeprefix(folder)
    return value


def new_folder(kind: str) -> str:
    return tempfile.mkdtemp(prefix=f"{kind}-", dir=os.environ["MAYFLY_FOLDERS"])


def layers_folder(config: dict) -> str:
    """The folder in which this function's layers are unpacked, later ones over earlier ones."""
    archives = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
    digest = hashlib.sha256(b"".join(hashlib.sha256(archive or b"").digest() for archive in archives)).hexdigest()
    folder = os.path.join(os.environ["MAYFLY_FOLDERS"], f"opt-{digest[:16]}")
    with unpacking:
        if not os.path.isdir(folder):
            unpacked = new_folder("unpacking")
            for archive in filter(None, archives):
                with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                    lambda_svc._extract_zip_preserving_mode(opened, unpacked)
            os.rename(unpacked, folder)
    return folder
