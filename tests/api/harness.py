"""Starts and stops servers for the tests, and speaks to them without a client library.

A Server is one process on a folder. It takes a free port, keeps the log in the folder's parent, and can be stopped
(SIGTERM), killed (SIGKILL) and started again on the same folder. SAGITTA_BIN names the binary; build/sagitta if not set.
Fixtures at the end: `server` (one for a test module), `client` (the public Python client on it), `name` (a fresh
collection name), `collection` (makes one, dropped after the test).
"""
import http.client
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import pytest
from qdrant_client import QdrantClient

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SAGITTA_BIN", str(ROOT / "build" / "sagitta"))
STOP_TIMEOUT_S = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, folder, **settings):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = self.folder.parent / f"{self.folder.name}.log"
        self.settings = settings
        self.process = None

    def spawn(self):
        """Starts the process without waiting for it to serve."""
        values = {"service__host": "127.0.0.1", "service__http_port": self.port, "storage__storage_path": self.folder,
                  "storage__snapshots_path": f"{self.folder}-snapshots", "log_level": "info", **self.settings}
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SAGITTA__", "QDRANT__"))}
        environment.update({"SAGITTA__" + key.upper(): str(value) for key, value in values.items()})
        environment.setdefault("TSAN_OPTIONS", f"suppressions={ROOT}/tests/lib/tsan.supp halt_on_error=0 exitcode=66")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BINARY], stdout=log, stderr=subprocess.STDOUT, env=environment,
                                            cwd=self.folder.parent)
        return self

    def start(self, timeout_s=60):
        self.spawn()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()[-3000:]}")
            try:
                if self.request("GET", "/readyz", timeout_s=5)[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"the server was not ready after {timeout_s} s:\n{self.log()[-3000:]}")

    def stop(self):
        """Asks for a graceful stop; returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop in {STOP_TIMEOUT_S} s:\n{self.log()[-3000:]}") from None

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def request(self, method, path, body=None, headers=None, timeout_s=60):
        """One raw request. `body`: bytes or str go as they are, anything else as JSON. Returns (status, text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            headers = dict(headers or {})
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            if body is not None:
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body.encode() if isinstance(body, str) else body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except http.client.HTTPException as fault:
            raise OSError(str(fault)) from fault
        finally:
            connection.close()

    def call(self, method, path, body=None, **options):
        """A raw request that must succeed; returns the `result` of the answer."""
        status, text = self.request(method, path, body, **options)
        assert status == 200, f"{method} {path}: {status} {text}"
        answer = json.loads(text)
        assert answer["status"] == "ok"
        return answer["result"]

    def client(self):
        return QdrantClient(url=self.url, timeout=120, check_compatibility=False)

    def wait_indexed(self, collection, points=None, timeout_s=120):
        """Waits until the collection is green and, when asked, at least `points` vectors are in the index."""
        deadline = time.monotonic() + timeout_s
        while True:
            info = self.call("GET", f"/collections/{collection}")
            if info["status"] == "green" and (points is None or (info["indexed_vectors_count"] or 0) >= points):
                return info
            assert time.monotonic() < deadline, f"not indexed after {timeout_s} s: {info}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory(prefix="sagitta-") as folder:
        running = Server(pathlib.Path(folder) / "data").start()
        yield running
        alive = running.running()
        code = running.stop()
        assert alive, f"the server died with {code}:\n{running.log()[-3000:]}"
        assert code == 0, f"exit code {code}:\n{running.log()[-3000:]}"


@pytest.fixture(scope="module")
def client(server):
    with_server = server.client()
    yield with_server
    with_server.close()


numbers = itertools.count(1)


@pytest.fixture
def name():
    return f"c{next(numbers)}"


@pytest.fixture
def collection(server, name):
    """A function that makes a collection from the body of PUT /collections/{name}; dropped after the test."""
    made = []

    def make(vectors, **rest):
        own = name if not made else f"{name}-{len(made)}"
        server.call("PUT", f"/collections/{own}", {"vectors": vectors, **rest})
        made.append(own)
        return own

    yield make
    for own in made:
        if server.running():
            server.request("DELETE", f"/collections/{own}")
