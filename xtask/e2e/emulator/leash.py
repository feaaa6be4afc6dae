"""Runs the emulator and everything it starts, and ends all of it when standard input closes.

The other end of standard input is held by the task that started us. However that task ends (done, failed, interrupted,
killed), the kernel closes the pipe, and nothing stays behind. Prints one line, `ready`, when the emulator answers.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

GRACE_SECONDS = 5.0
PAUSE_SECONDS = 0.05
PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    # A terminal sends its interrupt to everybody; we decide ourselves when it is time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt_orphans()
    serve = os.path.join(os.path.dirname(os.path.abspath(__file__)), "serve.py")
    # Standard output is for our one line.
    emulator = subprocess.Popen(
        [sys.executable, serve], stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
    )
    ended = threading.Event()
    threading.Thread(target=end_when_input_closes, args=(emulator.pid, ended), daemon=True).start()
    threading.Thread(target=say_when_ready, args=(os.environ["AWS_ENDPOINT_URL"], ended), daemon=True).start()
    status = wait_and_bury(emulator.pid)
    ended.set()
    end_tree(emulator.pid)
    return 0 if status in (0, -signal.SIGTERM) else 1


def adopt_orphans() -> None:
    """What a child leaves behind becomes ours and not init's, so that we find it when the end comes. Linux only."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def say_when_ready(address: str, ended: threading.Event) -> None:
    # Whatever proxy there is does not lead to ourselves.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while not ended.is_set():
        try:
            with opener.open(f"{address}/_ministack/health", timeout=5):
                print("ready", flush=True)
                return
        except (urllib.error.URLError, OSError):
            ended.wait(PAUSE_SECONDS)


def wait_and_bury(emulator: int) -> int:
    """Waits for the emulator's end, and meanwhile for whatever else of ours ends, so that no zombies pile up."""
    while True:
        process, status = os.wait()
        if process == emulator:
            return os.waitstatus_to_exitcode(status)


def end_when_input_closes(emulator: int, ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        if not ended.is_set():
            os.kill(emulator, last_word)
            ended.wait(GRACE_SECONDS)


def end_tree(emulator: int) -> None:
    """Kills the emulator's process group, and then whatever is left below us: jobs have process groups of their own."""
    try:
        os.killpg(emulator, signal.SIGKILL)
    except ProcessLookupError:
        pass
    while remaining := descendants():
        for process in remaining:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not bury_one():
            return


def bury_one() -> bool:
    """Waits for one killed child. False if there is none."""
    try:
        os.wait()
    except ChildProcessError:
        return False
    return True


def descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for process in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        parent = parent_of(process)
        if parent is not None:
            children.setdefault(parent, []).append(process)
    found: list[int] = []
    unseen = [os.getpid()]
    while unseen:
        below = children.get(unseen.pop(), [])
        found += below
        unseen += below
    return found


def parent_of(process: int) -> int | None:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stat:
            # The name of the program, in parentheses, can be anything.
            return int(stat.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


if __name__ == "__main__":
    sys.exit(main())
