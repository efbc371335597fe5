"""Processes on a core of their own, and what the kernel says of them."""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

SERVER_CORE = 0
LOAD_CORE = 1


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A program that listens on 127.0.0.1. `core` is None where it may run on all of them."""

    def __init__(self, command, port, core=SERVER_CORE, environment=None, path="/"):
        self.port = port
        self.log = tempfile.TemporaryFile()
        cores = f"0-{(os.cpu_count() or 1) - 1}" if core is None else str(core)
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            ["taskset", "-c", cores, *map(str, command)],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        self.answers_after = self._wait_until_it_answers(path)

    def _wait_until_it_answers(self, path):
        """Seconds from exec to the first 200 (or to any answer, where `path` is `/`; or, where it is None, until it
        listens)."""
        while time.monotonic() < self.began + 30:
            try:
                if path is None:
                    socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
                    return time.monotonic() - self.began
                status = get(self.port, path)[0]
                if path == "/" or status == 200:
                    return time.monotonic() - self.began
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.0005)
        self.log.seek(0)
        raise SystemExit(f"{self.process.args} does not answer:\n{self.log.read().decode()}")

    def cpu_seconds(self):
        """On a core, all threads together; finer than the ticks of /proc/PID/stat."""
        nanoseconds = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise SystemExit("no VmRSS")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


def get(port, path, headers=None, connection=None):
    """Status, headers and body of a GET. `headers` may name `Host`."""
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, answer.getheaders(), answer.read()


def tool(*arguments, core=LOAD_CORE):
    """Runs one of the tools. What it measured."""
    return json.loads(run([os.environ["BENCH"], *arguments], core))


def on_load_core(command, environment):
    """Runs a program. What it printed."""
    return run(command, LOAD_CORE, environment)


def run(command, core, environment=None):
    command = ["taskset", "-c", str(core), *map(str, command)]
    done = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
