"""Feature maps of a network of stages: one after the other, no further than asked."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch.nn import Conv2d, functional

from nst_core.architectures import LOGITS
from nst_core.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor
    from torch.nn import Module

    from nst_core.architectures import Staged


class Stages:
    """The frozen network: normalised picture in, layer name → maps out.

    Args:
        architecture: Its stages.
        weights: Its state dict.
        device: Where to compute.
        dtype: Of the maps; class scores are fp32 in any case.

    Raises:
        WeightsError: The weights are not this network's.
    """

    def __init__(
        self,
        architecture: Staged,
        weights: Mapping[str, Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        # Without memory and random numbers for values that the weights replace.
        with torch.device("meta"):
            model, stages, scores, unused = architecture.build()
        used = {name: value for name, value in weights.items() if not name.startswith(unused)}
        _require_all(model, used)
        model.load_state_dict(used, assign=True)
        model.requires_grad_(requires_grad=False).eval()
        for stage in stages.values():
            stage.to(device).to(memory_format=torch.channels_last)
            for module in stage.modules():
                # Not normalisations: a quarter of bfloat16's error in the class scores is theirs.
                if isinstance(module, Conv2d):
                    module.to(dtype)
        self._stages = stages
        self._scores = scores.to(device)

    def __call__(self, current: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the asked layers' maps.

        Args:
            current: (B, 3, H, W), normalised as the network expects it.
            layers: Names of the architecture's layers.
        """
        maps: dict[str, Tensor] = {}
        left = set(layers)
        with ExitStack() as hooks:
            for layer in left - self._stages.keys() - {LOGITS}:
                hooks.enter_context(
                    self._module(layer).register_forward_hook(_keeping(maps, layer))
                )
            for name, stage in self._stages.items():
                current = stage(current)
                if name in left:
                    maps[name] = current
                if maps.keys() == left:
                    return maps
        average = functional.adaptive_avg_pool2d(current.float(), 1).flatten(1)
        maps[LOGITS] = self._scores(average)
        return maps

    def _module(self, layer: str) -> Module:
        """Return the module of a part: ``inception3b.branch3[0]`` is branch3.0 of its stage."""
        stage, _, part = layer.partition(".")
        return self._stages[stage].get_submodule(part.replace("[", ".").replace("]", ""))


def _require_all(model: Module, weights: Mapping[str, Tensor]) -> None:
    """Raise unless every tensor is there in its shape, and no other.

    Raises:
        WeightsError: Naming the first that is not.
    """
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    given = {name: tensor.shape for name, tensor in weights.items()}
    # Older files do not have the count of training steps, and nothing here needs it.
    needed = [name for name in shapes if not name.endswith("num_batches_tracked")]
    for name in [*needed, *given]:
        if shapes.get(name) != given.get(name):
            raise WeightsError(
                f"these are not the network's weights: '{name}' is {_told(given.get(name))} instead"
                f" of {_told(shapes.get(name))}",
                code="E-WEIGHTS-FORMAT",
            )


def _told(shape: torch.Size | None) -> str:
    return "missing" if shape is None else "×".join(map(str, shape))


def _keeping(maps: dict[str, Tensor], layer: str) -> Callable[[Module, object, Tensor], None]:
    def keep(module: Module, given: object, out: Tensor) -> None:
        del module, given
        maps[layer] = out

    return keep
