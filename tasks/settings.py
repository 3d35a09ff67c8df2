"""What this machine is and allows: facts from the environment, read once, in one frozen value.

A manifest describes the collection and travels; these settings describe the machine and stay.
What boto3 reads by itself (``AWS_PROFILE``, ``AWS_REGION``, ``AWS_REQUEST_CHECKSUM_CALCULATION``,
keys and tokens) is left to it.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_core.errors import NSTError, did_you_mean
from nst_core.weights_files import cache_folder
from tasks.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class SettingsError(NSTError):
    """An environment variable of ours that says nothing sensible."""

    code = "E-SETTINGS"
    kind = "environment"


def _fact(variable: str, parse: Callable[[str], object], meaning: str, **default: Any) -> Any:
    """Return a field: the variable that carries it, how to read it, what it means, its default."""
    return field(metadata={"variable": variable, "parse": parse, "meaning": meaning}, **default)


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda|cuda:\d+(,cuda:\d+)*", text):
        raise ValueError("auto, cpu, mps, cuda, cuda:0 or cuda:0,cuda:1")
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(" or ".join(words))
        return text

    return parse


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ValueError("an absolute path")
    return path


def _folders(text: str) -> tuple[Path, ...]:
    return tuple(_folder(part) for part in text.split(os.pathsep) if part)


def _switch(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("yes or no")
    return words[text.lower()]


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < 1:
        raise ValueError("a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) or float(text) <= 0:
        raise ValueError("seconds, more than 0")
    return float(text)


def _webhook(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError("an address that begins with http:// or https://")
    return text


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError("a command with its quotes closed") from error
    if not words:
        raise ValueError("a command")
    return text


def _endpoint(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s@?#]+", text):
        raise ValueError("http://host:port or https://host, without user, password or query")
    return text


# "6" was never meant to be six bytes.
_FEWEST_DIGITS = 4


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``512M``, ``6GB`` or ``6GiB``, by 1024.

    Raises:
        ValueError: Anything else.
    """
    parts = re.fullmatch(r"([1-9]\d{0,14})([KMGT]?)(?:I?B)?", text.strip().upper())
    if not parts or (len(parts[1]) < _FEWEST_DIGITS and not parts[2]):
        raise ValueError("say a size such as 512M, 8G or 8GB")
    return int(parts[1]) * int(1024 ** " KMGT".index(parts[2] or " "))


@dataclass(frozen=True)
class Settings:
    """The facts of one machine; `Settings.from_environment` reads them.

    Every field carries its environment variable and its meaning; `Settings.explain` lists them.
    """

    device: str = _fact(
        "NST_DEVICE",
        _device,
        "Where to paint: auto, cpu, mps, cuda, cuda:0 or cuda:0,cuda:1.",
        default="auto",
    )
    engine: str = _fact(
        "NST_ENGINE",
        _one_of("local", "ray"),
        "Where the slots are: local, on this machine; or ray, on the cluster at RAY_ADDRESS.",
        default="local",
    )
    ray_address: str = _fact(
        "RAY_ADDRESS",
        str,  # Ray's own, so it may say what concerns other programs only
        "Where the Ray cluster's head is, such as 10.0.0.1:6379; as Ray itself reads it. Unset:"
        " the cluster that this machine belongs to.",
        default="auto",
    )
    scratch: Path = _fact(
        "NST_SCRATCH",
        _folder,
        "Folder for what can be fetched again, and for pictures on their way to a bucket: on a"
        " disk that survives a reboot. Unset: nst-gallery in XDG_CACHE_HOME or ~/.cache.",
        default_factory=cache_folder,
    )
    weights: Path | None = _fact(
        "NST_WEIGHTS",
        _folder,
        "Folder of downloaded network weights. Unset: weights in the cache of nst-gallery.",
        default=None,
    )
    input_roots: tuple[Path, ...] = _fact(
        "NST_INPUT_ROOTS",
        _folders,
        f"Folders ('{os.pathsep}' between them) outside which no input is read, whatever a"
        " manifest says. Unset: any named file, but no link that leads out of its folder.",
        default=(),
    )
    max_pixels: int = _fact(
        "NST_MAX_PIXELS",
        _count,
        "Largest input picture in pixels; more is refused unread.",
        default=70_000_000,
    )
    max_input_bytes: int = _fact(
        "NST_MAX_INPUT",
        parse_size,
        "Largest input file, such as 512M; more is refused unread.",
        default=512 << 20,
    )
    memory_limit: int | None = _fact(
        "NST_MEMORY_LIMIT",
        parse_size,
        "Memory that one painting process may take, such as 6GB. Larger pictures are painted in"
        " tiles, and if need be with a shorter history. Unset: what the device has free.",
        default=None,
    )
    slots: int | None = _fact(
        "NST_SLOTS",
        _count,
        "Painting processes. Unset: one for each card, or as many as pay on a CPU.",
        default=None,
    )
    torch_threads: int | None = _fact(
        "NST_TORCH_THREADS",
        _count,
        "Threads in each painting process, which then give the same bytes every time. Unset: the"
        " cores, shared among those that paint.",
        default=None,
    )
    cuda_graphs: bool = _fact(
        "NST_CUDA_GRAPHS",
        _switch,
        "Whether CUDA cards record steps and replay them; `make bench-gpu` tells if it pays.",
        default=False,
    )
    notify_url: str | None = _fact(
        "NST_NOTIFY_URL",
        _webhook,
        "Webhook that is told how a run ended, as JSON. Never shown, never recorded.",
        default=None,
    )
    notify_command: str | None = _fact(
        "NST_NOTIFY_COMMAND",
        _command,
        "Command that is told the same on its standard input; it is run without a shell.",
        default=None,
    )
    log: str = _fact(
        "NST_LOG",
        _one_of("text", "json"),
        "How to log on standard error: text for people, json for machines.",
        default="text",
    )
    metrics: Path | None = _fact(
        "NST_METRICS",
        _folder,
        "Folder for a copy of each collection's metrics.prom, such as node_exporter's textfile"
        " folder.",
        default=None,
    )
    s3_endpoint: str | None = _fact(
        "AWS_ENDPOINT_URL",
        _endpoint,
        "Address of an S3-compatible store; AWS_ENDPOINT_URL_S3 goes before. Unset: as boto3"
        " is configured.",
        default=None,
    )
    s3_path_style: bool = _fact(
        "NST_S3_PATH_STYLE",
        _switch,
        "Whether buckets stand in the path (yes), as many own stores want it.",
        default=False,
    )
    s3_connect_timeout: float = _fact(
        "NST_S3_CONNECT_TIMEOUT",
        _seconds,
        "Seconds to wait for a store to answer the call.",
        default=5.0,
    )
    s3_read_timeout: float = _fact(
        "NST_S3_READ_TIMEOUT",
        _seconds,
        "Seconds to wait for the next bytes of a store.",
        default=30.0,
    )
    s3_attempts: int = _fact(
        "NST_S3_ATTEMPTS",
        _count,
        "Tries of boto3 per request, before our own patience takes over.",
        default=4,
    )

    @property
    def downloads(self) -> Path:
        """Folder in which pictures from buckets lie, each under its SHA-256."""
        return self.scratch / "inputs"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Args:
            environ: The environment; an empty value counts as unset.

        Raises:
            SettingsError: Names every variable that is wrong or, as an ``NST_...``, unknown.
        """
        if endpoint := environ.get("AWS_ENDPOINT_URL_S3"):
            environ = {**environ, "AWS_ENDPOINT_URL": endpoint}
        values: dict[str, object] = {"scratch": cache_folder(environ)}
        problems = []
        known = {fact.metadata["variable"]: fact for fact in fields(cls)}
        for variable, fact in known.items():
            if text := environ.get(variable, ""):
                try:
                    values[fact.name] = fact.metadata["parse"](text)
                except ValueError as error:
                    wanted = str(error).removeprefix("say ")
                    problems.append(redact(f"{variable} is {text!r}, expected {wanted}"))
        # A misspelt variable would otherwise cost a night on the wrong device.
        problems += [
            f"there is no setting {name}{did_you_mean(name, known)}"
            for name in sorted(environ)
            if name.startswith("NST_") and name not in known
        ]
        if problems:
            raise SettingsError(". ".join(problems), remedy="correct the environment")
        return cls(**values)  # type: ignore[arg-type]  # each parser returns its field's type

    def but(self, **given: Any) -> Settings:
        """Return the settings with other values for some, such as those of a command line.

        Args:
            given: By field; what is not said, None or an empty text, stays.
        """
        return replace(self, **{name: value for name, value in given.items() if value})

    @classmethod
    def explain(cls) -> list[tuple[str, str]]:
        """Return (variable, meaning) of every setting, in reading order."""
        return [(fact.metadata["variable"], fact.metadata["meaning"]) for fact in fields(cls)]
