from __future__ import annotations

import sys

import pytest

from nst_core.errors import NSTError
from tasks.engines import EngineError, require_slots, slot_pool
from tasks.settings import Settings, SettingsError

ENTRY = "tests.flows.toy_painter:main"


def test_this_machine_lends_its_own_slots(tmp_path):
    """No more than there are pairs."""
    settings = Settings(device="cpu", slots=4, torch_threads=1, memory_limit=1 << 30)

    with slot_pool(settings, ENTRY, most=2, logs=tmp_path) as (pool, memory):
        assert [spec.name for spec in pool.specs] == ["cpu-0", "cpu-1"]
        assert memory == 1 << 30


def test_an_engine_that_is_not_installed_is_named_with_what_to_do(tmp_path, monkeypatch):
    """Ray is an extra."""
    for name in ("tasks.ray_cluster", "tasks.ray_slots"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)

    with (
        pytest.raises(EngineError, match="'ray' is not installed") as caught,
        slot_pool(Settings(engine="ray"), ENTRY, most=1, logs=tmp_path),
    ):
        pass

    assert caught.value.code == "E-ENGINE"
    assert "nst-gallery[ray]" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "no Ray at 127.0.0.1:1"),
        ("ray://127.0.0.1:1", "no Ray at ray://127.0.0.1:1"),
        ("http://head", "not of the form HOST:PORT"),
    ],
)
def test_a_cluster_that_does_not_answer_is_an_environment_at_fault(tmp_path, address, said):
    """It is found out at once, where Ray itself would try for two minutes."""
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'nst-gallery[ray]'")

    with (
        pytest.raises(NSTError, match=said) as caught,
        slot_pool(Settings(engine="ray", ray_address=address), ENTRY, most=1, logs=tmp_path),
    ):
        pass

    assert (caught.value.code, caught.value.kind) == ("E-RAY", "environment")
    with pytest.raises(NSTError, match=said):
        require_slots(Settings(engine="ray", ray_address=address))
    assert "ray start --head" in str(caught.value.remedy)


def test_an_unknown_engine_is_refused():
    """The setting says which there are."""
    with pytest.raises(SettingsError, match="expected local or ray"):
        Settings.from_environment({"NST_ENGINE": "slurm"})
