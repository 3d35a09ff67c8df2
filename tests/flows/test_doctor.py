from __future__ import annotations

import pytest

from flows.doctor import examine
from tasks.settings import Settings, SettingsError


@pytest.fixture
def examined(tmp_path, monkeypatch):
    """Examine this machine without painting, with other environment variables."""

    def examine_with(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return examine(Settings(device="cpu", scratch=tmp_path / "scratch"), measure=False)

    return examine_with


def test_cards_are_told_with_their_drivers(examined, tmp_path):
    """As NVIDIA's own tool tells them; the numbers alone come from torch."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 550.90.07, 81559 MiB'\n")
    tool.chmod(0o755)

    machine = examined(PATH=str(tmp_path))["machine"]

    assert machine["drivers"] == ["NVIDIA H100 80GB HBM3, 550.90.07, 81559 MiB"]


def test_without_that_tool_there_are_no_drivers(examined, tmp_path):
    """A machine without a card is no machine at fault."""
    assert examined(PATH=str(tmp_path))["machine"]["drivers"] == []


def test_without_a_server_each_run_starts_its_own(examined, monkeypatch):
    """Nobody needs one."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    assert examined()["prefect"] == {"server": "each run starts its own"}


def test_a_server_that_answers_is_told_from_one_that_does_not(examined, server, monkeypatch):
    """Without the password that its address may hold."""
    monkeypatch.setattr("flows.doctor._SECONDS_FOR_AN_ANSWER", 0.5)

    silent = examined(PREFECT_API_URL="http://me:secret@127.0.0.1:9/api")["prefect"]
    assert silent["answers"] is False
    assert "secret" not in silent["server"]
    monkeypatch.undo()
    there = examined(PREFECT_API_URL=server.url)["prefect"]
    assert there == {"server": server.url, "answers": True}


def test_a_file_in_the_place_of_the_scratch_folder_is_told(examined, tmp_path):
    """Whose NST_SCRATCH is wrong asks the doctor."""
    (tmp_path / "scratch").touch()

    with pytest.raises(SettingsError, match="scratch"):
        examined()
