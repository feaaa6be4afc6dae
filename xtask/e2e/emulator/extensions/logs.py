"""The output of functions, as it comes, in files: `<MAYFLY_FUNCTION_LOGS>/<function>.log`.

In the emulator, as on AWS, a log group shows it only when the invocation is over, and nothing of it outlives the emulator. A
test that fails is understood from these files.
"""

import os
import threading

from ministack.core.lambda_runtime import ProvidedWorker

writing = threading.Lock()


def install() -> None:
    folder = os.environ.get("MAYFLY_FUNCTION_LOGS")
    if not folder:
        return
    os.makedirs(folder, exist_ok=True)
    pump = ProvidedWorker._pump_output

    def pump_and_copy(worker: ProvidedWorker, stream, queue) -> None:
        pump(worker, Copied(stream, os.path.join(folder, f"{worker.func_name}.log")), queue)

    ProvidedWorker._pump_output = pump_and_copy


class Copied:
    """A stream whose lines are appended to a file as they are read."""

    def __init__(self, stream, path: str) -> None:
        self.stream = stream
        self.path = path

    def readline(self) -> bytes:
        line = self.stream.readline()
        with writing, open(self.path, "ab") as log:
            log.write(line)
        return line

    def close(self) -> None:
        self.stream.close()
