"""The weights of the networks: read, checked, decoded.

Nothing is ever unpickled as code (``weights_only``), and no code of the packages that carry
weights is imported.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import torch

from nst_core.architectures import VGG
from nst_core.errors import WeightsError
from nst_core.weights_files import check, missing, weights_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from nst_core.networks import Network, WeightsFormat

    Weights = dict[str, Tensor]


def load_weights(network: Network) -> Weights:
    """Return a network's tensors by name, on the CPU.

    Returns:
        Of a VGG ``conv1_1.weight`` (C_out, C_in, 3, 3), ``conv1_1.bias`` (C_out,), …, fp32, and
        where there is a classifier ``fc6``, ``fc7``, ``fc8``; of others their own state dict.

    Raises:
        WeightsError: Missing file, wrong SHA-256, or not this network's tensors.
    """
    path = weights_path(network)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise missing(network, path, error) from error
    check(network, data, path)
    try:
        weights = _DECODERS[network.source.format](data, network)
    except (KeyError, IndexError, TypeError) as error:
        raise WeightsError(
            f"{path} does not hold {network.name}'s tensors: {error}", code="E-WEIGHTS-FORMAT"
        ) from error
    return _rescaled(weights, network) if network.layer_means else weights


def _state_dict(data: bytes, network: Network) -> Weights:
    """The tensors under the names of the architecture's modules."""
    del network
    return _unpickled(data)


def _codebooks(data: bytes, network: Network) -> Weights:
    """Look up the 8-bit codes of every layer in its table of 256 values, a layer at a time."""
    tensors, weights = _unpickled(data), {}
    for layer, block, index in _convolutions(network):
        name = f"block{block}_conv{index}"
        codes, table = tensors[f"{name}_W_q"], tensors[f"{name}_W_table"]
        weight = table.index_select(0, codes.flatten().int()).reshape(codes.shape)
        weights[f"{layer}.weight"] = weight.float()
        weights[f"{layer}.bias"] = tensors[f"{name}_b"].float()
    return weights


def _numbered(data: bytes, network: Network) -> Weights:
    """Pick a VGG out of torchvision's state dict, where layers are numbered by module."""
    tensors = _unpickled(data)
    # Before a convolution lie two modules per earlier one, with its ReLU, and one per pooling.
    modules = {
        layer: f"features.{2 * earlier + block - 1}"
        for earlier, (layer, block, _) in enumerate(_convolutions(network))
    }
    if _vgg(network).classes:
        modules |= {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}
    return {
        f"{layer}.{part}": tensors[f"{name}.{part}"]
        for layer, name in modules.items()
        for part in ("weight", "bias")
    }


def _keras(data: bytes, network: Network) -> Weights:
    """Read a VGG out of Keras 3's HDF5 layout: kernels are (3, 3, C_in, C_out) there."""
    import h5py  # noqa: PLC0415  (an optional package)

    weights = {}
    with h5py.File(io.BytesIO(data)) as file:
        for layer, block, index in _convolutions(network):
            name = "conv2d" if index == 1 else f"conv2d_{index - 1}"
            values = file[f"block{block}/layers/{name}/vars"]
            kernel = torch.from_numpy(values["0"][:])
            weights[f"{layer}.weight"] = kernel.permute(3, 2, 0, 1).contiguous()
            weights[f"{layer}.bias"] = torch.from_numpy(values["1"][:])
    return weights


_DECODERS: dict[WeightsFormat, Callable[[bytes, Network], Weights]] = {
    "state-dict": _state_dict,
    "numbered": _numbered,
    "codebooks": _codebooks,
    "keras": _keras,
}


def _unpickled(data: bytes) -> Weights:
    tensors: Weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return tensors


def _convolutions(network: Network) -> Iterator[tuple[str, int, int]]:
    """Yield the convolutions of a VGG: layer, number of its block, number within the block."""
    for layer in _vgg(network).convolutions:
        block, _, index = layer.removeprefix("conv").partition("_")
        yield layer, int(block), int(index)


def _vgg(network: Network) -> VGG:
    assert isinstance(network.architecture, VGG)
    return network.architecture


def _rescaled(weights: Weights, network: Network) -> Weights:
    """Rescale every convolution to a mean activation of 0.5; ReLU passes positive factors on."""
    rescaled, before = dict(weights), 1.0
    for layer, mean in zip(_vgg(network).convolutions, network.layer_means, strict=True):
        factor = 0.5 / mean
        rescaled[f"{layer}.weight"] = weights[f"{layer}.weight"] * (factor / before)
        rescaled[f"{layer}.bias"] = weights[f"{layer}.bias"] * factor
        before = factor
    return rescaled
