"""The weights of the networks: read, checked, decoded.

Nothing is ever unpickled as code (``weights_only``), and no code of the packages that carry
weights is imported.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import torch

from nst_core.errors import WeightsError
from nst_core.networks import Network, PackageFile
from nst_core.weights_files import check, missing, weights_path

if TYPE_CHECKING:
    from torch import Tensor

    Convolution = tuple[Tensor, Tensor]


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
        raise missing(network, path, error) from error
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
