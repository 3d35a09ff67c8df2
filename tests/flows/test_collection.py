"""The flow, on a real Prefect server."""

from __future__ import annotations

import base64
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import pytest
from PIL import Image

from flows import collection, run_log
from flows.prefect_server import PrefectServer
from tasks.durable import OutputError


class Api:
    """What a server's API reports of one collection, to whoever looks from outside."""

    def __init__(self, server, name):
        self._url = server.url
        self._flow = {"flow_runs": {"name": {"any_": [name]}}}

    def _read(self, what):
        answer = httpx.post(f"{self._url}/{what}/filter", json=self._flow, timeout=30)
        answer.raise_for_status()
        return answer.json()

    @property
    def flow_run(self):
        """The one flow run of that name."""
        (run,) = self._read("flow_runs")
        return run

    @property
    def artifacts(self):
        """The latest artifact of each of its keys: (type, data, description)."""
        answer = httpx.post(f"{self._url}/artifacts/filter", json=self._flow, timeout=30)
        answer.raise_for_status()
        rows = sorted(answer.json(), key=lambda row: row["updated"])
        return {row["key"]: (row["type"], row["data"], row["description"]) for row in rows}

    @property
    def logs(self):
        """The lines of its Logs tab, the oldest first: (level, message)."""
        asked = {"logs": {"flow_run_id": {"any_": [self.flow_run["id"]]}}, "sort": "TIMESTAMP_ASC"}
        answer = httpx.post(f"{self._url}/logs/filter", json=asked, timeout=30)
        answer.raise_for_status()
        return [(row["level"], row["message"]) for row in answer.json()]

    @property
    def task_runs(self):
        """The states of its task runs by name."""
        return {run["name"]: run["state"]["name"] for run in self._read("task_runs")}


@pytest.fixture
def paint(server, toy):
    """Paint a collection of that name through Prefect; gives the night and what the API reports."""

    def paint(name, **options):
        made = toy(name, **options)
        made.write(collection=name)
        with made.night() as night:
            collection.paint(night, server, manifest=str(made.path))
        return night, Api(server, name)

    return paint


def states(night):
    """Return the pairs' states by content."""
    return {o.planned.pair.content_name: o.state for o in night.outcomes}


def test_a_night_without_failures_is_completed(paint):
    """The flow run carries the collection's name and says how many pictures are finished."""
    night, api = paint("spring")

    assert states(night) == {"cat": "complete", "dog": "complete"}
    assert api.flow_run["state"]["type"] == "COMPLETED"
    assert api.flow_run["state"]["message"] == "2 of 2 pictures are finished"


def test_each_step_of_each_pair_is_a_task_run_that_people_recognise(paint):
    """One fetch for each picture, one render and one publish for each pair, all completed."""
    _, api = paint("summer", contents=("cat",))

    assert api.task_runs == {
        "fetch cat.png": "Completed",
        "fetch monet.png": "Completed",
        "render cat × monet": "Completed",
        "publish cat × monet": "Completed",
    }


def test_of_a_large_night_most_pairs_are_painted_in_one_task_run(paint, monkeypatch):
    """Beyond a number, Prefect's database is spared; every pair is painted all the same."""
    monkeypatch.setattr(collection, "ONE_BY_ONE", 1)
    night, api = paint("large", contents=("cat", "dog", "emu"))

    assert states(night) == {"cat": "complete", "dog": "complete", "emu": "complete"}
    assert api.flow_run["state"]["message"] == "3 of 3 pictures are finished"
    assert api.task_runs == {
        "fetch cat.png": "Completed",
        "fetch 3 more": "Completed",
        "render cat × monet": "Completed",
        "publish cat × monet": "Completed",
        "paint 2 more": "Completed",
    }


def test_a_night_with_failures_is_failed(paint):
    """A run with failures never ends 'Completed', and its neighbours are painted."""
    night, api = paint("autumn", contents=("cat", "diverges", "dog"))

    assert states(night) == {"cat": "complete", "diverges": "failed", "dog": "complete"}
    assert api.flow_run["state"]["type"] == "FAILED"
    assert api.flow_run["state"]["message"] == "2 of 3 pictures are finished, 1 failed"


def test_the_failing_step_is_the_one_that_failed(paint):
    """Rendering failed, publishing never began, and the other pair's steps completed."""
    _, api = paint("winter", contents=("cat", "diverges"))

    found = api.task_runs
    assert found["render diverges × monet"] == "Failed"
    assert found["publish diverges × monet"] == "NotReady"
    assert found["publish cat × monet"] == "Completed"


def test_a_night_leaves_a_table_a_report_and_a_link(paint, tmp_path):
    """In Prefect's own pages, what failed first; progress at its end."""
    _, api = paint("may_2026", contents=("cat", "diverges"))

    found = api.artifacts
    kind, rows, told = found["may-2026-pairs"]
    assert kind == "table"
    assert [(row["state"], row["pair"]) for row in json.loads(rows)] == [
        ("failed", "diverges × monet"),
        ("complete", "cat × monet"),
    ]
    assert told == "Pairs of may_2026: 1 complete, 0 kept, 1 failed, 0 left."
    kind, report, _ = found["may-2026-report"]
    assert kind == "markdown"
    assert "2 planned = 1 complete + 0 kept + 1 failed + 0 left." in report
    kind, link, _ = found["may-2026-gallery"]
    assert kind == "markdown"
    assert (tmp_path / "may_2026" / "out" / "index.html").as_uri() in link
    assert found["may-2026-progress"][:2] == ("progress", 100.0)


def test_a_night_says_a_line_for_each_end(paint):
    """In the Logs tab: what there is to do, how each pair ended, and what that comes to."""
    _, api = paint("diary", contents=("cat", "diverges"))

    said = api.logs
    assert said[0] == (logging.INFO, "diary: 2 pairs, kept 0, 2 to paint in 1 slot")
    assert sorted(level for level, _ in said[1:-1]) == [logging.INFO, logging.ERROR]
    assert any(line.startswith("complete cat × monet  8×6 px") for _, line in said)
    assert any(line.startswith("failed diverges × monet  E-DIVERGED-NAN") for _, line in said)
    assert said[-1] == (logging.INFO, "diary: 1 complete, 0 kept, 1 failed, 0 left")


def test_a_large_night_does_not_fill_the_logs(paint, monkeypatch):
    """Beyond a number, pairs are counted in the last line and not listed."""
    monkeypatch.setattr(run_log, "_MOST", 2)
    _, api = paint("wordy", contents=("cat", "dog", "emu"))

    assert len(api.logs) == 3
    assert api.logs[-1] == (logging.INFO, "wordy: 3 complete, 0 kept, 0 failed, 0 left")


def test_pages_on_this_machine_show_the_pictures(server, toy):
    """The report there has a small contact sheet; a server elsewhere gets none."""
    made = toy("shown")
    made.write(collection="shown")
    with made.night() as night:
        collection.paint(night, PrefectServer(server.url), manifest=str(made.path))

    _, report, _ = Api(server, "shown").artifacts["shown-report"]
    picture = report.partition("(data:image/webp;base64,")[2].partition(")")[0]
    assert Image.open(BytesIO(base64.b64decode(picture))).width == 1200
    assert not PrefectServer("https://prefect.example/api").shows_pages_here


def test_a_night_that_leaves_pairs_is_unfinished(paint):
    """What is left for the next run is no success either."""
    night, api = paint("leap", contents=("cat", "full"))

    assert states(night) == {"cat": "complete", "full": "left"}
    assert (api.flow_run["state"]["type"], api.flow_run["state"]["name"]) == (
        "FAILED",
        "Unfinished",
    )


def test_a_night_that_was_stopped_at_its_beginning_is_unfinished(server, toy):
    """Nothing painted and nothing planned is no success."""
    made = toy("stopped")
    made.write(collection="stopped")
    with made.night() as night:
        night.renderer.stop()
        collection.paint(night, server, manifest=str(made.path))

    assert Api(server, "stopped").flow_run["state"]["name"] == "Unfinished"


def test_prefect_is_told_names_and_nothing_else(paint, tmp_path):
    """The run's parameters are the collection's name, its manifest and its output."""
    _, api = paint("names", contents=("cat",))

    folder = tmp_path / "names"
    assert api.flow_run["parameters"] == {
        "name": "names",
        "manifest": str(folder / "toy.yaml"),
        "output": str(folder / "out"),
    }


def test_a_night_that_cannot_be_planned_ends_with_its_reason(paint, toy):
    """An error that is no pair's own does not drown in Prefect: whoever paints hears of it."""
    made = toy("newer")
    made.write(collection="newer")
    record = made.output / made.paint()["cat"].finished.file
    record.write_text(record.read_text().replace('"schema_version": 1', '"schema_version": 99'))

    with pytest.raises(OutputError, match="schema 99"):
        paint("newer")


# Prefect is a window, not the truth


def test_without_a_server_everything_is_painted(toy):
    """An API that answers nobody costs no picture."""
    with toy().night() as night:
        collection.paint(night, PrefectServer("http://127.0.0.1:9/api"), manifest="toy.yaml")

    assert states(night) == {"cat": "complete", "dog": "complete"}


def test_a_run_after_one_whose_server_was_gone_is_shown(toy, paint):
    """A process that watches or paints several manifests goes on telling."""
    with toy("silent", contents=("cat",)).night() as night:
        collection.paint(night, PrefectServer("http://127.0.0.1:9/api"), manifest="toy.yaml")

    _, api = paint("heard", contents=("cat",))

    assert api.task_runs["publish cat × monet"] == "Completed"


@pytest.mark.slow
def test_a_server_killed_in_mid_run_costs_no_picture(toy, tmp_path, monkeypatch):
    """SIGKILL of the server while the first pair is painted: all pairs are painted all the same."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    server = PrefectServer.start(tmp_path / "prefect")
    assert server.is_ready()
    made = toy(contents=("tarries", "cat", "dog"))
    with made.night() as night, ThreadPoolExecutor(1) as thread:
        painting = thread.submit(collection.paint, night, server, manifest="toy.yaml")
        made.await_tarrying()
        server.process.kill()
        server.process.wait()
        made.release()
        painting.result()
    server.stop()

    assert states(night) == {"tarries": "complete", "cat": "complete", "dog": "complete"}
