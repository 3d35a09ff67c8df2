"""The networks' weights on this machine: which are there, fetched, verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import httpx

from nst_core.errors import WeightsError
from nst_core.networks import NETWORKS, Download
from nst_core.weights_files import check, weights_path
from tasks.durable import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from nst_core.networks import Network

_TIMEOUT = httpx.Timeout(30.0)


@dataclass(frozen=True)
class WeightsState:
    """One network's weights.

    Args:
        network: The table's row.
        state: Whether its file is there and has the published hash.
        path: Where it lies or would lie; None if the package that brings it is not installed.
        remedy: What to do, where something is to be done.
    """

    network: Network
    state: Literal["present", "missing", "damaged"]
    path: Path | None
    remedy: str | None = None


def weights_state(network: Network) -> WeightsState:
    """Return whether a network's weights are there and whole; reads all of them."""
    try:
        path = weights_path(network)
    except WeightsError as error:
        return WeightsState(network, "missing", None, error.remedy)
    if not path.is_file():
        return WeightsState(network, "missing", path, f"run: nst weights fetch {network.name}")
    try:
        check(network, path.read_bytes(), path)
    except WeightsError as error:
        return WeightsState(network, "damaged", path, error.remedy)
    return WeightsState(network, "present", path)


def require_weights(names: Iterable[str]) -> None:
    """Raise unless the weights of all these networks are there and whole.

    Raises:
        WeightsError: Naming the first that is not, and what to do.
    """
    for name in names:
        found = weights_state(NETWORKS[name])
        if found.state != "present":
            raise WeightsError(
                f"the weights of {name} are {found.state}",
                code="E-WEIGHTS-SHA" if found.state == "damaged" else "E-WEIGHTS-MISSING",
                remedy=found.remedy,
            )


def fetch_weights(
    network: Network,
    *,
    source: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> Path:
    """Bring a network's weights to where they belong, from where they are published or a file.

    Args:
        network: The table's row.
        source: A file that holds them; by default they are downloaded.
        on_progress: Receives bytes so far and bytes in all (0 while unknown).

    Returns:
        Where they lie now.

    Raises:
        WeightsError: They come with a package, cannot be had, or have another hash.
    """
    if not isinstance(network.source, Download):
        path = weights_path(network)
        check(network, path.read_bytes(), path)
        return path
    path = weights_path(network)
    try:
        data = source.read_bytes() if source else _download(network.source.url, on_progress)
    except (OSError, httpx.HTTPError) as error:
        raise WeightsError(
            f"the weights of {network.name} cannot be had from {source or network.source.url}:"
            f" {error}",
            code="E-WEIGHTS-FETCH",
            remedy=f"fetch that file elsewhere and run: nst weights fetch {network.name} --from"
            " FILE",
        ) from error
    check(network, data, source or path, f"take the file as {network.source.url} publishes it")
    write_atomic(path, data)
    return path


def _download(url: str, on_progress: Callable[[int, int], None]) -> bytes:
    with httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT) as response:
        response.raise_for_status()
        expected = int(response.headers.get("content-length", 0))
        data = bytearray()
        for chunk in response.iter_bytes():
            data += chunk
            on_progress(len(data), expected)
        return bytes(data)
