from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tasks.settings import Settings, SettingsError


def test_an_empty_environment_gives_the_defaults():
    """Nothing needs to be set; an empty value counts as unset."""
    settings = Settings.from_environment({"NST_DEVICE": "", "NST_SLOTS": ""})

    assert (settings.device, settings.slots, settings.max_pixels) == ("auto", None, 70_000_000)
    assert settings.s3_endpoint is None


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("NST_DEVICE", "cuda:0,cuda:1", "device", "cuda:0,cuda:1"),
        ("NST_SCRATCH", "/fast/disk", "scratch", Path("/fast/disk")),
        ("NST_WEIGHTS", "~/weights", "weights", Path("~/weights").expanduser()),
        ("NST_INPUT_ROOTS", "/a:/b", "input_roots", (Path("/a"), Path("/b"))),
        ("NST_MAX_PIXELS", "100000000", "max_pixels", 100_000_000),
        ("NST_MAX_INPUT", "2G", "max_input_bytes", 2 << 30),
        ("NST_MEMORY_LIMIT", "512m", "memory_limit", 512 << 20),
        ("NST_MEMORY_LIMIT", "6GB", "memory_limit", 6 << 30),
        ("NST_MEMORY_LIMIT", "6GiB", "memory_limit", 6 << 30),
        ("NST_SLOTS", "3", "slots", 3),
        ("NST_TORCH_THREADS", "2", "torch_threads", 2),
        ("NST_CUDA_GRAPHS", "yes", "cuda_graphs", True),
        ("NST_NOTIFY_URL", "https://chat/hooks/1?k=2", "notify_url", "https://chat/hooks/1?k=2"),
        ("NST_NOTIFY_COMMAND", "mail -s 'done'", "notify_command", "mail -s 'done'"),
        ("AWS_ENDPOINT_URL", "http://minio:9000", "s3_endpoint", "http://minio:9000"),
        ("AWS_ENDPOINT_URL_S3", "http://ceph", "s3_endpoint", "http://ceph"),
        ("NST_S3_PATH_STYLE", "yes", "s3_path_style", True),
        ("NST_S3_CONNECT_TIMEOUT", "0.5", "s3_connect_timeout", 0.5),
        ("NST_S3_READ_TIMEOUT", "90", "s3_read_timeout", 90.0),
        ("NST_S3_ATTEMPTS", "1", "s3_attempts", 1),
    ],
)
def test_each_variable_sets_its_fact(variable: str, text: str, name: str, value: object):
    """What the environment says is what the settings hold."""
    assert getattr(Settings.from_environment({variable: text}), name) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("NST_DEVICE", "gpu"),
        ("NST_SCRATCH", "here"),
        ("NST_INPUT_ROOTS", "/a:b"),
        ("NST_MAX_PIXELS", "0"),
        ("NST_MAX_INPUT", "-1G"),
        ("NST_MEMORY_LIMIT", "much"),
        ("NST_SLOTS", "1.5"),
        ("NST_TORCH_THREADS", "²"),
        ("NST_NOTIFY_URL", "chat.example/hooks"),
        ("NST_NOTIFY_COMMAND", 'mail "me'),
        ("AWS_ENDPOINT_URL", "minio:9000"),
        ("NST_S3_PATH_STYLE", "maybe"),
        ("NST_S3_READ_TIMEOUT", "nan"),
        ("NST_S3_READ_TIMEOUT", "0"),
    ],
)
def test_nonsense_is_refused_with_what_would_be_right(variable: str, text: str):
    """A wrong value is named with its variable and what was expected."""
    with pytest.raises(SettingsError, match=rf"{variable} is '.*', expected ") as caught:
        Settings.from_environment({variable: text})

    assert caught.value.code == "E-SETTINGS"


def test_what_is_expected_of_a_size_is_told():
    """In a sentence; the command line says it in another."""
    with pytest.raises(SettingsError, match="expected a size such as 512M"):
        Settings.from_environment({"NST_MEMORY_LIMIT": "6"})


def test_all_problems_come_at_once():
    """One look at the message suffices to mend the environment."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"NST_SLOTS": "x", "NST_DEVICE": "y", "NST_DEVISE": "cpu"})

    assert "NST_SLOTS is 'x'" in str(caught.value)
    assert "NST_DEVICE is 'y'" in str(caught.value)
    assert "no setting NST_DEVISE; did you mean 'NST_DEVICE'? Correct the" in str(caught.value)


def test_the_specific_endpoint_goes_first():
    """As in boto3, the address for S3 alone wins over the one for everything."""
    both = {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "http://s3"}

    assert Settings.from_environment(both).s3_endpoint == "http://s3"


def test_a_password_in_the_endpoint_is_refused_and_not_repeated():
    """An address with credentials would end up in logs; the refusal does not."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"AWS_ENDPOINT_URL": "https://me:canary@host"})

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [
        ("/var/cache/me", Path("/var/cache/me")),
        ("relative", Path("/home/me/.cache")),
        ("", Path("/home/me/.cache")),
    ],
)
def test_scratch_follows_xdg(xdg: str, expected: Path, monkeypatch: pytest.MonkeyPatch):
    """The scratch folder lies where the XDG specification says, which ignores relative paths."""
    monkeypatch.setenv("HOME", "/home/me")

    settings = Settings.from_environment({"XDG_CACHE_HOME": xdg})

    assert settings.scratch == expected / "nst-gallery"


def test_settings_are_a_value():
    """Settings cannot be changed, and equal ones are the same key."""
    one, two = Settings.from_environment({}), Settings.from_environment({})

    assert one == two
    assert hash(one) == hash(two)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.device = "cpu"  # type: ignore[misc]
