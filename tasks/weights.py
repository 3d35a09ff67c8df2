"""The networks' weights on this machine: which are there, fetched, verified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx

from manifests.locations import is_remote
from nst_core.errors import WeightsError
from nst_core.networks import NETWORKS, Download
from nst_core.weights_files import check, weights_path
from tasks.durable import write_atomic
from tasks.patience import Patience, insist
from tasks.settings import Settings
from tasks.storage import store_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
    source: str | Path | None = None,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> Path:
    """Bring a network's weights to where they belong, from where they are published or elsewhere.

    Args:
        network: The table's row.
        source: A file or ``s3://bucket/key`` that holds them, or a folder or ``s3://bucket/prefix/``
            with a file of the published name; by default they are downloaded.
        on_progress: Receives bytes so far and bytes in all (0 while unknown).

    Returns:
        Where they lie now.

    Raises:
        WeightsError: They come with a package, cannot be had, or have another hash.
        StorageError: The bucket refuses, or does not answer for a minute.
    """
    path = weights_path(network)
    if not isinstance(network.source, Download):
        check(network, path.read_bytes(), path)
        return path
    try:
        data = (
            _read(str(source), network.source)
            if source
            else _download(network.source.url, on_progress)
        )
    except (OSError, httpx.HTTPError) as error:
        raise WeightsError(
            f"the weights of {network.name} cannot be had from {source or network.source.url}:"
            f" {error}",
            code="E-WEIGHTS-FETCH",
            remedy=f"fetch that file elsewhere and run: nst weights fetch {network.name} --from"
            " FILE",
        ) from error
    check(
        network,
        data,
        path if source is None else source,
        f"take the file as {network.source.url} publishes it",
    )
    write_atomic(path, data)
    return path


def _read(source: str, published: Download) -> bytes:
    """Return the bytes of a file or an object, or of the one with the published name below it."""
    name = published.url.rpartition("/")[2]
    if not is_remote(source):
        path = Path(source)
        return (path / name if path.is_dir() else path).read_bytes()
    settings = Settings.from_environment()
    # Weights may be larger than any picture: a tenth more than they should have is too much.
    limit = int(published.megabytes * 1.1e6)
    store = store_for(source, replace(settings, max_input_bytes=limit))
    location = source + name if source.endswith("/") else source
    return insist(partial(store.read, location), store, Patience.lasting(60.0))


def _download(url: str, on_progress: Callable[[int, int], None]) -> bytes:
    with httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT) as response:
        response.raise_for_status()
        expected = int(response.headers.get("content-length", 0))
        data = bytearray()
        for chunk in response.iter_bytes():
            data += chunk
            on_progress(len(data), expected)
        return bytes(data)
