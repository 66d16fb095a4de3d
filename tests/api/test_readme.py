"""The first queries of README.md, run as they stand there against a running server: curl, Python and JavaScript.

A block is found by the language of its fence; the one change is the address. Node.js and the JavaScript client are those of
tests/api/js.
"""
import json
import os
import re
import subprocess
import sys

from harness import ROOT, server  # noqa: F401 (fixture)

ADDRESS = "http://127.0.0.1:6333"
README = (ROOT / "README.md").read_text()


def block(language, server):
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    assert len(found) == 1, f"README.md has {len(found)} blocks in {language}"
    assert ADDRESS in found[0]
    return found[0].replace(ADDRESS, server.url)


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(text):
    """The JSON values of a text, one after the other."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


def test_curl(server):
    made, filled, asked = answers(run(["bash", "-euc", block("sh", server)]))
    assert made["result"] is True
    assert filled["result"]["status"] == "completed"
    assert [hit["payload"]["name"] for hit in asked["result"]["points"]] == ["Berlin", "Lisbon"]


def test_python(server):
    lines = run([sys.executable, "-c", block("python", server)]).splitlines()
    assert [line.split()[0] for line in lines] == ["Berlin", "Lisbon"]


def test_javascript(server):
    node = run([str(ROOT / "tests" / "node.sh")]).strip()
    environment = {**os.environ, "PATH": f"{node}:{os.environ['PATH']}"}
    lines = run(["node", "--input-type=module", "--eval", block("js", server)], cwd=ROOT / "tests/api/js", env=environment)
    assert [line.split()[0] for line in lines.splitlines()] == ["Berlin", "Lisbon"]


def test_links():
    """Every file that the README names with a link is there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
