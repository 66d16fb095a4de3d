"""Fixtures: a server of our own on a free port with a data folder of its own.

SAGITTA_BIN names the program (build/sagitta otherwise). After each server the exit code must be 0 and no sanitizer may have
spoken. `server` is shared by the tests of a file; `start_server` makes one with other settings, for one test.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SAGITTA_BIN", str(ROOT / "build" / "sagitta"))
START_TIMEOUT_SEC = 60
STOP_TIMEOUT_SEC = 60


class Server:
    """One running server. Settings are passed on the command line: {"service.api_key": "x"}."""

    def __init__(self, folder, settings=None, wait=True):
        self.folder = pathlib.Path(folder)
        self.log_path = self.folder / "server.log"
        self.port = None
        values = {
            "service.host": "127.0.0.1",
            "service.http_port": 0,
            "storage.storage_path": self.folder / "data",
            "storage.snapshots_path": self.folder / "snapshots",
            "log_level": "debug",
        }
        values.update(settings or {})
        arguments = [BINARY] + [f"--{key}={value}" for key, value in values.items()]
        environment = {k: v for k, v in os.environ.items() if "__" not in k}
        self.log = open(self.log_path, "ab")
        self.log_begin = self.log.tell()
        self.process = subprocess.Popen(
            arguments, stdout=self.log, stderr=self.log, cwd=self.folder, env=environment)
        if wait:
            self.wait_ready()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def output(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_begin)
            return log.read().decode(errors="replace")

    def wait_ready(self):
        until = time.monotonic() + START_TIMEOUT_SEC
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended at start:\n{self.output()}")
            found = re.search(r"listens on \S+ port (\d+)", self.output())
            if found:
                self.port = int(found.group(1))
                try:
                    with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                        if answer.status == 200:
                            return
                except OSError:
                    pass
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the server did not become ready:\n{self.output()}")

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def kill(self):
        """As a crash does it: no time to finish anything."""
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self, number=signal.SIGTERM):
        """A clean stop; checks that it was one."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_TIMEOUT_SEC)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop:\n{self.output()[-4000:]}")
        self.log.close()
        output = self.output()
        for word in ("Sanitizer", "runtime error:", "assertion failed"):
            assert word not in output, output[-8000:]
        assert code == 0, f"exit code {code}:\n{output[-4000:]}"


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory(prefix="sagitta_api_") as folder:
        running = Server(folder)
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture
def start_server():
    """start_server({"setting": value}) -> Server; several may run; all are stopped and checked at the end. Pass
    folder=other.folder to start on the same data."""
    servers = []
    folders = []

    def start(settings=None, folder=None, wait=True):
        if folder is None:
            folders.append(tempfile.TemporaryDirectory(prefix="sagitta_api_"))
            folder = folders[-1].name
        running = Server(folder, settings, wait)
        servers.append(running)
        return running

    yield start
    try:
        for running in servers:
            if not running.log.closed:
                running.stop()
    finally:
        for running in servers:
            if running.process.poll() is None:
                running.kill()
        for folder in folders:
            folder.cleanup()
