"""The engines of `make bench-index` as processes: ours by bench_index, the others by bench_peer.py; building, opening, asking.

An index stands in FOLDER/NAME.ENGINE, the row of its build beside it in NAME.ENGINE.json, so that a kept index keeps its build
time; what an engine writes to standard error goes to NAME.ENGINE.log.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import bench_peer
from make_data import SETS

HERE = pathlib.Path(__file__).resolve().parent


class Failed(Exception):
    """An engine ended, or cannot be had here."""


def ours(engine):
    return engine.startswith("sagitta-")


def file_of(engine):
    return engine if ours(engine) else bench_peer.file_of(engine)


class Engine:
    """A process that answers a line with a line."""

    def __init__(self, command, log):
        self.log = log
        with open(log, "ab") as errors:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, text=True)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            said = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Failed(f"ended with code {self.process.wait()}: {' '.join(said)}")
        return json.loads(line)

    def measure(self, effort, threads, seconds):
        self.process.stdin.write(f"{effort} {threads} {seconds}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:  # it was in the middle of a build
            self.process.kill()
            self.process.wait()


class Engines:
    def __init__(self, folder, tools, threads):
        self.folder, self.tools, self.threads = folder, tools, threads

    def available(self):
        """Names of ours, then of the others."""
        listed = subprocess.run([f"{self.tools}/bench_index", "list"], stdout=subprocess.PIPE, text=True, check=True)
        return listed.stdout.split() + list(bench_peer.ENGINES)

    def path(self, engine, name, suffix=""):
        return self.folder / f"{name}.{file_of(engine)}{suffix}"

    def command(self, mode, engine, name, *arguments):
        if ours(engine):
            kind, quant = (engine.split("-") + ["none"])[1:3]
            return [f"{self.tools}/bench_index", mode, self.folder, name, SETS[name].dim, SETS[name].distance, kind, quant,
                    *arguments]
        return [sys.executable, HERE / "bench_peer.py", mode, engine, self.folder, name, *arguments]

    def kept(self, engine, name):
        """The row of an earlier build whose index is still there, made by the same version; else None."""
        path, row_path = self.path(engine, name), self.path(engine, name, ".json")
        if not (path.exists() and row_path.exists()):
            return None
        row = json.loads(row_path.read_text())
        return row if ours(engine) or row["version"] == bench_peer.version_of(engine) else None

    def build(self, engine, name):
        path = self.path(engine, name)
        if path.is_dir():
            shutil.rmtree(path)
        for suffix in ("", ".json", ".log"):
            self.path(engine, name, suffix).unlink(missing_ok=True)
        builder = Engine(self.command("build", engine, name, self.threads), self.path(engine, name, ".log"))
        try:
            row = builder.answer()
        finally:
            builder.close()
        self.path(engine, name, ".json").write_text(json.dumps(row) + "\n")
        return row

    def serve(self, engine, name):
        """An engine that has answered its first line, and that line."""
        server = Engine(self.command("serve", engine, name), self.path(engine, name, ".log"))
        try:
            return server, server.answer()
        except Failed:
            server.close()
            raise

    def churn(self, engine, name, points, effort, seconds):
        churner = Engine(self.command("churn", engine, name, points, effort, seconds), self.path(engine, name, ".log"))
        try:
            return churner.answer()
        finally:
            churner.close()
