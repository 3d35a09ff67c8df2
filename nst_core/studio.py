"""The studio: what is worth keeping between pictures on one device."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch

from nst_core.architectures import LOGITS
from nst_core.features import Features
from nst_core.hardware import maps_dtype
from nst_core.networks import network
from nst_core.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from nst_core.measurements import Measurement
    from nst_core.networks import Network
    from nst_core.recipe import Recipe
    from nst_core.weights import Weights


class Studio:
    """One device with its networks loaded and its style targets remembered.

    Attributes:
        device: The device.
        graphs: Whether it records evaluations.

    Args:
        device: Where everything is computed.
        load: Gives a network's weights; by default from where the table says they lie.
        remembered: Style targets kept, the least recently used are dropped first. One takes up to
            1 MB per layer.
        graphs: Whether evaluations on a CUDA device are recorded; see :mod:`nst_core.graphs`.
    """

    def __init__(
        self,
        device: torch.device | str = "cpu",
        *,
        load: Callable[[Network], Weights] = load_weights,
        remembered: int = 256,
        graphs: bool = False,
    ) -> None:
        self.device = torch.device(device)
        self.graphs = graphs and self.device.type == "cuda"
        self._load = load
        self._features: dict[Hashable, Features] = {}
        self._targets: OrderedDict[Hashable, Measurement] = OrderedDict()
        self._remembered = remembered

    def features(self, recipe: Recipe) -> Features:
        """Return the recipe's network, loaded at first use."""
        dtype = maps_dtype(recipe.precision, self.device)
        logits = any(term.layer == LOGITS for term in recipe.terms)
        key = (recipe.network, recipe.pooling, recipe.border, dtype, logits)
        if key not in self._features:
            row = network(recipe.network)
            self._features[key] = Features(
                row,
                self._load(row),
                device=self.device,
                dtype=dtype,
                pooling=recipe.pooling,
                border=recipe.border,
                logits=logits,
            )
        return self._features[key]

    def remember(self, key: Hashable, measure: Callable[[], Measurement]) -> Measurement:
        """Return the target under this key, measured at its first use."""
        if key in self._targets:
            self._targets.move_to_end(key)
        else:
            self._targets[key] = measure()
            if len(self._targets) > self._remembered:
                self._targets.popitem(last=False)
        return self._targets[key]
