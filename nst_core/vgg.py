"""Feature maps of a VGG: convolutions and poolings one after the other, no further than asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from nst_core.architectures import LOGITS
from nst_core.convolutions import frozen_convolution
from nst_core.kernels import max_pooled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from torch import Tensor

    from nst_core.architectures import VGG
    from nst_core.networks import Border, Pooling

# Keeps the scale of activations when the pooling is not the one the network was trained with
# (measured by crowsonkb/style-transfer-pytorch).
_POOLING_SCALE: dict[Pooling, float] = {"max": 1.0, "avg": 2.0, "l2": 0.78}

# Positions that the classifier sees along each side: a picture of any size is averaged to them.
_SEEN = 7


class Convolutions:
    """The frozen network: normalised picture in, layer name → maps out.

    Args:
        architecture: Its blocks.
        weights: ``conv1_1.weight``, ``conv1_1.bias``, …, and where there is a classifier
            ``fc6``, ``fc7`` and ``fc8``. Layers whose weights are not there must not be asked for.
        device: Where to compute.
        dtype: Of the maps; class scores are fp32 in any case.
        pooling: Between blocks.
        border: Padding of the first convolution.
        classifier: Whether to keep the weights of the class scores, 490 MB.
    """

    def __init__(
        self,
        architecture: VGG,
        weights: Mapping[str, Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype,
        pooling: Pooling,
        border: Border,
        classifier: bool,
    ) -> None:
        self._layers = tuple(architecture.layers)
        self._pooling = pooling
        self._convolutions = {}
        for index, name in enumerate(architecture.convolutions):
            if f"{name}.weight" not in weights:
                break
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            self._convolutions[name] = frozen_convolution(
                weight.to(device, dtype), bias.to(device, dtype), border if index == 0 else "zeros"
            )
        self._classifier = [
            (weights[f"{name}.weight"].to(device), weights[f"{name}.bias"].to(device))
            for name in ("fc6", "fc7", "fc8")
            if classifier and f"{name}.weight" in weights
        ]

    def __call__(self, current: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the asked layers' maps.

        Args:
            current: (B, 3, H, W), normalised as the network expects it.
            layers: Names of the architecture's layers.
        """
        wanted = frozenset(layers)
        left = set(wanted)
        maps: dict[str, Tensor] = {}
        for name in self._layers:
            if name.startswith("conv"):
                convolution = self._convolutions[name]
                # Rectified at once, unless somebody asked for the maps before that.
                current = convolution(current) if name in left else convolution.rectified(current)
            elif name.startswith("relu"):
                current = current.relu() if f"conv{name[4:]}" in wanted else current
            elif name == LOGITS:
                current = self._scores(current)
            else:
                current = self._pool(current)
            if name in left:
                maps[name] = current
                left.discard(name)
                if not left:
                    break
        return maps

    def _pool(self, maps: Tensor) -> Tensor:
        if self._pooling == "max":
            return max_pooled(maps)
        if self._pooling == "avg":
            return functional.avg_pool2d(maps, 2) * _POOLING_SCALE["avg"]
        return functional.lp_pool2d(maps, 2.0, 2) * _POOLING_SCALE["l2"]

    def _scores(self, maps: Tensor) -> Tensor:
        (fc6, fc7, fc8) = self._classifier
        seen = functional.adaptive_avg_pool2d(maps.float(), _SEEN).flatten(1)
        return functional.linear(
            functional.linear(functional.linear(seen, *fc6).relu(), *fc7).relu(), *fc8
        )
