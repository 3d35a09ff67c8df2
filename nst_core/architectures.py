"""The shapes of the networks: their layers by name, as values.

What is said here is known without torch: which layers there are, in the order in which they are
computed, how many channels each has, and how small a picture may be to reach it. The modules that
compute them are :mod:`nst_core.vgg` and :mod:`nst_core.stages`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch.nn import Module

IMAGE = "image"
"""The layer that is the canvas itself: (B, 3, H, W), RGB in [0, 1]."""

LOGITS = "logits"
"""The layer of class scores before the softmax: (B, K), fp32."""


@dataclass(frozen=True)
class Layer:
    """What is known of a layer.

    Args:
        channels: Of its maps; for class scores, the number of classes.
        smallest: The smallest side of a picture, in pixels, that leaves it one position.
    """

    channels: int
    smallest: int


@dataclass(frozen=True, kw_only=True)
class VGG:
    """Blocks of 3×3 convolutions, each block followed by a pooling that halves the picture.

    Layers are called as the papers call them: ``conv1_1, relu1_1, conv1_2, …, pool1, conv2_1, …``;
    ``conv`` is before and ``relu`` after the rectifier.

    Args:
        blocks: Convolutions per block.
        widths: Channels per block.
        classes: Of the classifier behind the last pooling; 0 if the weights have none.

    Source: Simonyan & Zisserman 2015, table 1.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    classes: int = 0

    @property
    def convolutions(self) -> tuple[str, ...]:
        """Names of the convolutions in order."""
        return tuple(name for name in self.layers if name.startswith("conv"))

    @property
    def layers(self) -> Mapping[str, Layer]:
        """Every layer by name, in order."""
        return _vgg_layers(self)


@functools.cache
def _vgg_layers(vgg: VGG) -> dict[str, Layer]:
    layers = {}
    for block, convolutions in enumerate(vgg.blocks, start=1):
        width = vgg.widths[block - 1]
        for index in range(1, convolutions + 1):
            for kind in ("conv", "relu"):
                layers[f"{kind}{block}_{index}"] = Layer(width, 1 << (block - 1))
        layers[f"pool{block}"] = Layer(width, 1 << block)
    if vgg.classes:
        layers[LOGITS] = Layer(vgg.classes, 1 << len(vgg.blocks))
    return layers


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One of the pieces that a network computes one after the other.

    Args:
        name: Its layer, the maps it gives.
        channels: Of these.
        window: Side of what a position of its maps sees of the stage before.
        stride: From one position to the next.
        padding: Rows added around its input, both sides together.
        ceil: Whether a last window that is only partly filled counts.
        parts: Layers inside the stage, with their channels.
    """

    name: str
    channels: int
    window: int = 1
    stride: int = 1
    padding: int = 0
    ceil: bool = False
    parts: tuple[tuple[str, int], ...] = ()

    def side(self, before: int) -> int:
        """Return how many positions along a side it gives, 0 or less where there are none."""
        room = before + self.padding - self.window
        return (-(-room // self.stride) if self.ceil else room // self.stride) + 1


class Built(NamedTuple):
    """A network's modules as their authors wrote them.

    Args:
        model: All of them, to be given the weights.
        stages: Those that are computed one after the other, by name.
        scores: From the averaged maps of the last stage, (B, C), to (B, K).
        unused: Beginnings of the names of weights that belong to heads for training.
    """

    model: Module
    stages: Mapping[str, Module]
    scores: Module
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A classifier of stages, whose last maps are averaged over all positions and scored.

    Args:
        stages: In order.
        classes: Number of scores.
        build: Gives its modules, without weights; imports torch.
    """

    stages: tuple[Stage, ...]
    classes: int
    build: Callable[[], Built]

    @property
    def layers(self) -> Mapping[str, Layer]:
        """Every layer by name, in order; a stage's parts before the stage."""
        return _staged_layers(self.stages, self.classes)


@functools.cache
def _staged_layers(stages: tuple[Stage, ...], classes: int) -> dict[str, Layer]:
    layers = {}
    for position, stage in enumerate(stages, start=1):
        # A stage is computed as a whole, so its parts ask for as large a picture.
        smallest = _smallest(stages[:position])
        for part, channels in stage.parts:
            layers[f"{stage.name}.{part}"] = Layer(channels, smallest)
        layers[stage.name] = Layer(stage.channels, smallest)
    layers[LOGITS] = Layer(classes, smallest)
    return layers


def _smallest(stages: tuple[Stage, ...]) -> int:
    """Return the smallest side that leaves a position behind every stage."""

    def reaches(side: int) -> bool:
        for stage in stages:
            side = stage.side(side)
            if side < 1:
                return False
        return True

    return next(filter(reaches, count(1)))


Architecture = VGG | Staged
