"""A network's feature maps, only as deep as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from nst_core.convolutions import DirectConvolution, WinogradConvolution
from nst_core.errors import RecipeError
from nst_core.hardware import winograd_pays
from nst_core.terms import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from nst_core.networks import Network, Pooling
    from nst_core.weights import Convolution

# Keeps the scale of activations when the pooling is not the one the network was trained with
# (measured by crowsonkb/style-transfer-pytorch).
_POOLING_SCALE: dict[Pooling, float] = {"max": 1.0, "avg": 2.0, "l2": 0.78}


class Features:
    """Feature maps of one network: canvas in, layer name → maps out.

    Weights are frozen and laid out channels-last. Convolution and pooling stop at the deepest
    layer asked for.

    Args:
        network: The table's row.
        convolutions: Its weights, from :func:`nst_core.weights.load_weights`.
        device: Where to compute.
        dtype: Of the feature maps: float32, or bfloat16 where the hardware is faster with it.
        pooling: Between blocks.
        border: Padding of the first convolution: ``zeros`` or ``replicate``.
    """

    def __init__(
        self,
        network: Network,
        convolutions: Sequence[Convolution],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        pooling: Pooling = "max",
        border: str = "zeros",
    ) -> None:
        self.network = network
        self.device = torch.device(device)
        self.dtype = dtype
        self._pooling = pooling
        self._mean = torch.tensor(network.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(network.std, device=device).view(1, 3, 1, 1)
        self._convolutions = [
            (
                WinogradConvolution
                if winograd_pays(weight.shape, dtype, self.device)
                else DirectConvolution
            )(weight.to(device, dtype), bias.to(device, dtype), border if index == 0 else "zeros")
            for index, (weight, bias) in enumerate(convolutions)
        ]

    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the asked layers' maps of an image.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            layers: Names of the network's layers, or ``image`` for the image itself.

        Returns:
            Layer name → (B, C, H', W') in this extractor's dtype; ``image`` as it came.

        Raises:
            RecipeError: The image is too small for the deepest layer.
        """
        wanted = frozenset(layers)
        maps: dict[str, Tensor] = {IMAGE: image} if IMAGE in wanted else {}
        left = set(wanted - {IMAGE})
        if not left:
            return maps
        self._require_size(image, frozenset(left))
        current = self._normalised(image)
        index = 0
        for name in self.network.layers:
            if name.startswith("conv"):
                convolution = self._convolutions[index]
                index += 1
                # Rectified at once, unless somebody asked for the maps before that.
                current = convolution(current) if name in left else convolution.rectified(current)
            elif name.startswith("relu"):
                current = current.relu() if f"conv{name[4:]}" in wanted else current
            else:
                current = self._pool(current)
            if name in left:
                maps[name] = current
                left.discard(name)
                if not left:
                    break
        return maps

    def _require_size(self, image: Tensor, layers: frozenset[str]) -> None:
        height, width = image.shape[-2:]
        smallest = self.network.smallest_side(layers)
        if min(height, width) < smallest:
            deepest = max(layers, key=self.network.layers.index)
            raise RecipeError(
                f"picture is {width}×{height} px at its coarsest octave; {self.network.name} up to"
                f" {deepest} needs at least {smallest}×{smallest}",
                code="E-RECIPE-SIZE",
                remedy="raise the recipe's size or octaves.smallest",
            )

    def _normalised(self, image: Tensor) -> Tensor:
        scaled = image.float() * 255
        if self.network.bgr:
            scaled = scaled.flip(1)
        centred = (scaled - self._mean) / self._std
        return centred.to(self.dtype).contiguous(memory_format=torch.channels_last)

    def _pool(self, maps: Tensor) -> Tensor:
        if self._pooling == "max":
            return functional.max_pool2d(maps, 2)
        if self._pooling == "avg":
            return functional.avg_pool2d(maps, 2) * _POOLING_SCALE["avg"]
        return functional.lp_pool2d(maps, 2.0, 2) * _POOLING_SCALE["l2"]
