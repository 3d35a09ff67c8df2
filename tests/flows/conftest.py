from __future__ import annotations

import os

import pytest

from flows.prefect_server import PrefectServer
from tests.flows.toy_collection import ToyCollection


@pytest.fixture
def toy(tmp_path):
    """Make collections of toy pictures, each in a folder of its own."""

    def make(name="toy", **options):
        return ToyCollection(tmp_path / name, **options)

    return make


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A real Prefect server for the whole session, started as the product starts one."""
    before = dict(os.environ)
    os.environ.pop("PREFECT_API_URL", None)
    server = PrefectServer.start(tmp_path_factory.mktemp("prefect"))
    os.environ.clear()
    os.environ.update(before)
    assert server.is_ready()
    yield server
    server.stop()
