"""The empty database that Prefect's servers begin with."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from flows.prefect_database import EmptyDatabase
from flows.prefect_server import PrefectServer


def rows(database, question="select version_num from alembic_version"):
    """Ask a database."""
    with closing(sqlite3.connect(database)) as books:
        return books.execute(question).fetchall()


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a server in a home, as a run does that is told nothing of Prefect; await its answer."""
    servers = []

    def start(home, **options):
        for name in ("PREFECT_HOME", "PREFECT_API_URL"):
            monkeypatch.delenv(name, raising=False)
        servers.append(server := PrefectServer.start(home, cache=tmp_path / "cache", **options))
        assert server.is_ready(600)
        return server

    yield start
    for server in servers:
        server.stop()


def test_the_first_server_leaves_an_empty_database_for_the_others(start, tmp_path):
    """The second does not make one, and answers all the same."""
    first = start(tmp_path / "a")
    second = start(tmp_path / "b")

    assert [first.makes is None, second.makes is None] == [False, True]
    assert rows(tmp_path / "a/prefect.db") == rows(tmp_path / "b/prefect.db") != []
    assert rows(tmp_path / "b/prefect.db", "select count(*) from flow_run") == [(0,)]


def test_a_home_keeps_the_database_it_has(tmp_path):
    """The runs of earlier nights are in it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "prefect.db").write_bytes(b"nights")

    assert not EmptyDatabase(home, tmp_path / "cache").lend()
    assert (home / "prefect.db").read_bytes() == b"nights"


def test_another_version_of_prefect_makes_its_own(tmp_path):
    """An older one could not read what a newer one has made."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/empty-0.1.db").touch()

    assert EmptyDatabase(tmp_path / "home", tmp_path / "cache").lend()


def test_a_database_that_is_elsewhere_is_not_kept(tmp_path):
    """Who names a database of their own in Prefect's settings has none in the home."""
    EmptyDatabase(tmp_path / "home", tmp_path / "cache").keep()

    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "home").exists()


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    """The next server makes its own again."""
    home = tmp_path / "home"
    home.mkdir()
    with closing(sqlite3.connect(home / "prefect.db")) as books:
        books.execute("create table flow_run (id)")
    (tmp_path / "cache").write_text("in the way")

    EmptyDatabase(home, tmp_path / "cache").keep()

    assert EmptyDatabase(tmp_path / "other", tmp_path / "cache").lend()


def test_a_home_of_the_users_own_is_left_alone(tmp_path, monkeypatch):
    """Whoever sets PREFECT_HOME has their database there."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "theirs"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    server = PrefectServer.start(tmp_path / "ours", cache=tmp_path / "cache")
    server.stop()

    assert server.makes is None
