"""Secrets leave no trace: canaries in the environment, every kind of error, a look at all files."""

from __future__ import annotations

import httpx
import pytest

from flows import collection, threads
from tests.flows.command import Nst
from tests.flows.toy_collection import ToyCollection, draw
from tests.tasks.fault_proxy import ALWAYS, Fault

CANARIES = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYACCESSKEY0",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+key/of+forty+characters/00",
    "AWS_SESSION_TOKEN": "canary-session-token-0123456789",
    "PREFECT_API_KEY": "pnu_canary0123456789",
    "PREFECT_API_AUTH_STRING": "admin:canary-of-the-api",
    "SLACK_WEBHOOK_URL": "https://hooks.example.org/services/T0/B0/canary0123456789",
    "NST_NOTIFY_URL": "http://127.0.0.1:9/services/T0/B0/canary9876543210",
    "HTTPS_PROXY": "http://me:canary-of-the-proxy@127.0.0.1:9",
}
IN_ADDRESSES = "canary-in-an-address"


def traces(folder):
    """Return where a canary stands in any file below a folder, and what it is."""
    return [
        (str(path.relative_to(folder)), canary)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for canary in (*CANARIES.values(), IN_ADDRESSES, "canary")
        if canary.encode() in path.read_bytes()
    ]


@pytest.fixture
def kept(monkeypatch, s3, tmp_path):
    """The folder with all that is written, with canaries in the environment."""
    for name, canary in CANARIES.items():
        monkeypatch.setenv(name, canary)
    return tmp_path / "kept"


@pytest.fixture
def nst(kept, machine):
    """Run commands with canaries in their environment; all that they write and say is kept."""
    kept.mkdir(exist_ok=True)

    def run(*arguments, **variables):
        own = {"NST_SCRATCH": str(kept / "scratch"), "PREFECT_API_URL": None}
        command = Nst(*arguments, folder=kept, environ=machine | CANARIES | own | variables)
        return command.end(300), command

    return run


def test_a_look_finds_a_canary(tmp_path):
    """The look that finds nothing below can find something."""
    (tmp_path / "log").write_bytes(b"\0" + CANARIES["PREFECT_API_KEY"].encode() + b"\0")

    assert ("log", CANARIES["PREFECT_API_KEY"]) in traces(tmp_path)


def test_a_bug_that_quotes_a_secret_leaves_no_trace(kept, caplog):
    """Neither its message nor its traceback reaches a file, the slot's log included."""
    with ToyCollection(kept, contents=("blabs", "cat")).night() as night:
        threads.paint(night)

    assert sorted(outcome.state for outcome in night.outcomes) == ["complete", "failed"]
    assert traces(kept) == []
    assert "canary" not in caplog.text


def test_a_bug_that_quotes_a_secret_tells_prefect_nothing(kept, server):
    """What a task raised stands in Prefect's books, but for the secret."""
    blabbing = ToyCollection(kept, contents=("blabs",))
    blabbing.write(collection="blabbing")
    with blabbing.night() as night:
        collection.paint(night, server, manifest="toy.yaml")

    told = httpx.post(
        f"{server.url}/task_runs/filter",
        json={"flow_runs": {"name": {"any_": ["blabbing"]}}},
        timeout=60,
    ).text
    assert "LookupError: no answer to ***" in told
    assert "canary" not in told


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_error_of_the_command_leaves_a_trace_of_a_secret(nst, kept, bucket, line):
    """Refused, expired, broken, wrong: nothing of it in outputs, logs, database or on screen."""
    photos = ToyCollection(kept, contents=("cat", "broken"))
    broken = photos.content("broken")
    broken.write_bytes(broken.read_bytes()[:60])
    pages = kept.parent / "manifests"  # what a user writes is the user's
    wrong = ToyCollection(pages, contents=("cat",))
    signed = f"{bucket}/cat.png?X-Amz-Signature={IN_ADDRESSES}"

    assert nst("run", "toy.yaml")[0] == 3
    line.inject(Fault.ACCESS_DENIED, times=ALWAYS, method="PUT", key="*/toy/*")
    assert nst("run", "toy.yaml", "--output", f"{bucket}/spring")[0] == 6
    line.inject(Fault.ACCESS_DENIED, times=ALWAYS)
    assert nst("run", "toy.yaml", "--output", f"{bucket}/spring")[0] == 4
    assert nst("check", "toy.yaml", "--output", f"{bucket}/spring", "--json")[0] in {2, 4}
    assert nst("upload", f"{bucket}/spring")[0] == 4
    line.heal()
    assert nst("run", "toy.yaml", "--output", "s3://no-such-bucket/spring")[0] == 4
    password = f"http://me:{IN_ADDRESSES}@127.0.0.1:9"
    assert nst("run", "toy.yaml", AWS_ENDPOINT_URL=password)[0] == 4
    wrong.write(content_sets={"photos": [signed]})
    assert nst("run", str(wrong.path))[0] == 2
    wrong.write(content_sets={"photos": [f"s3://me:{IN_ADDRESSES}@bucket/cat.png"]})
    assert nst("check", str(wrong.path), "--json")[0] == 2
    assert nst("run", f"s3://me:{IN_ADDRESSES}@bucket/toy.yaml")[0] == 2
    assert nst("upload", f"s3://me:{IN_ADDRESSES}@bucket/spring")[0] == 2
    nst("doctor", "--no-measure")
    nst("verify", "out", "--json")
    draw(photos.content("dog"))
    nst("plan", "toy.yaml", "--json")

    assert list(kept.glob("out/.work/prefect/prefect.db"))
    assert traces(kept) == []
