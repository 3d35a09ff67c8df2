"""A network's feature maps, only as deep as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from nst_core.architectures import IMAGE, VGG
from nst_core.octaves import size_of
from nst_core.stages import Stages
from nst_core.vgg import Convolutions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from nst_core.networks import Border, Network, Pooling
    from nst_core.weights import Weights


class Body(Protocol):
    """What computes maps: one class per kind of architecture."""

    def __call__(self, current: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the asked layers' maps of a normalised picture, (B, 3, H, W)."""


class Features:
    """Feature maps of one network: canvas in, layer name → maps out.

    Weights are frozen and laid out channels-last. Nothing is computed behind the deepest layer
    asked for.

    Args:
        network: The table's row.
        weights: From :func:`nst_core.weights.load_weights`.
        device: Where to compute.
        dtype: Of the feature maps: float32, or bfloat16 where the hardware is faster with it.
        pooling: Between the blocks of a VGG; other networks have their own.
        border: Padding of a VGG's first convolution: ``zeros`` or ``replicate``.
        logits: Whether class scores may be asked for. Without them, a VGG takes 490 MB less.

    Raises:
        RecipeError: A pooling or border that this network has not.
        WeightsError: The weights are not this network's.
    """

    def __init__(
        self,
        network: Network,
        weights: Weights,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        pooling: Pooling = "max",
        border: Border = "zeros",
        logits: bool = True,
    ) -> None:
        network.require_dials(pooling=pooling, border=border)
        self.network = network
        self.device = torch.device(device)
        self.dtype = dtype
        self._mean = torch.tensor(network.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(network.std, device=device).view(1, 3, 1, 1)
        self._body: Body
        if isinstance(network.architecture, VGG):
            self._body = Convolutions(
                network.architecture,
                weights,
                device=self.device,
                dtype=dtype,
                pooling=pooling,
                border=border,
                classifier=logits,
            )
        else:
            self._body = Stages(network.architecture, weights, device=self.device, dtype=dtype)

    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the asked layers' maps of an image.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            layers: Names of the network's layers, or ``image`` for the image itself.

        Returns:
            Layer name → (B, C, H', W') in this extractor's dtype; ``image`` as it came; of
            classifiers ``logits``, (B, K) fp32, the class scores before the softmax.

        Raises:
            RecipeError: The image is too small for the deepest layer.
        """
        wanted = frozenset(layers)
        maps: dict[str, Tensor] = {IMAGE: image} if IMAGE in wanted else {}
        if below := wanted - {IMAGE}:
            self.network.require_size(size_of(image), below)
            maps |= self._body(self._normalised(image), below)
        return maps

    def _normalised(self, image: Tensor) -> Tensor:
        scaled = image.to(torch.promote_types(self.dtype, torch.float32)) * 255
        if self.network.bgr:
            scaled = scaled.flip(1)
        centred = (scaled - self._mean) / self._std
        return centred.to(self.dtype).contiguous(memory_format=torch.channels_last)
