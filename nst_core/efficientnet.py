"""EfficientNet-Lite0: its stages, and the package's modules that compute them.

Layers: ``stem``, ``block1`` to ``block16``, ``head``, ``logits``. Stem and head are behind their
rectifier (ReLU6: within [0, 6]). A block ends in a linear bottleneck, which the paper leaves
without one: its maps have both signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nst_core.architectures import Built, Stage, Staged

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tan & Le 2019, table 1: of each group of blocks the number, window, stride of its first, channels.
_GROUPS = (
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
)


def _stages() -> Iterator[Stage]:
    """Yield the stages, padded as TensorFlow pads a picture of an even side: by window - stride."""
    yield Stage(name="stem", channels=32, window=3, stride=2, padding=1)
    number = 0
    for blocks, window, first, channels in _GROUPS:
        for stride in (first, *(1,) * (blocks - 1)):
            number += 1
            yield Stage(
                name=f"block{number}",
                channels=channels,
                window=window,
                stride=stride,
                padding=window - stride,
            )
    yield Stage(name="head", channels=1280)


def _build() -> Built:
    from efficientnet_lite_pytorch import EfficientNet
    from torch.nn import Sequential

    model = EfficientNet.from_name("efficientnet-lite0")
    stages = {
        "stem": Sequential(model._conv_stem, model._bn0, model._swish),  # noqa: SLF001
        **{f"block{number}": block for number, block in enumerate(model._blocks, start=1)},  # noqa: SLF001
        "head": Sequential(model._conv_head, model._bn1, model._swish),  # noqa: SLF001
    }
    return Built(model, stages, model._fc)  # noqa: SLF001


EFFICIENTNET_LITE0 = Staged(stages=tuple(_stages()), classes=1000, build=_build)
"""EfficientNet-B0 without squeeze-and-excitation and with ReLU6 in place of swish."""
