"""A two-layer network with seeded weights, and small pictures: enough to paint in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from nst_core.architectures import VGG
from nst_core.networks import Network, PackageFile
from nst_core.octaves import Octaves
from nst_core.pictures import Style
from nst_core.recipe import Recipe
from nst_core.studio import Studio
from nst_core.terms import Content, Gram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nst_core.features import Features

TOY = Network(
    name="toy",
    title="two convolutions with seeded weights",
    architecture=VGG(blocks=(1, 1), widths=(6, 8)),
    source=PackageFile(package="toy", file="toy.bin", sha256="0" * 64),
    mean=(120.0, 125.0, 130.0),
    std=(60.0, 65.0, 70.0),
)


# Two channels of 2×2 positions, on the canvas and in the picture it is compared with.
CANVAS = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 1.0]]]])
PICTURE = torch.tensor([[[[1.0, 0.0], [3.0, 2.0]], [[0.0, 1.0], [2.0, 1.0]]]])


def loss_of(term: Any, canvas: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """Compare a canvas with a picture."""
    return term.loss(term.measure(canvas), term.target(term.measure(picture)))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Give seeded normal numbers in float64."""
    seeded = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=seeded, dtype=torch.float64)


def convolutions(network: Network) -> dict[str, torch.Tensor]:
    """Give a small VGG's seeded weights, scaled so that activations keep their size."""
    seeded = torch.Generator().manual_seed(19)
    weights, before = {}, 3
    for layer in network.layers:
        if layer.startswith("conv"):
            after = network.channels(layer)
            kernel = torch.randn(after, before, 3, 3, generator=seeded)
            weights[f"{layer}.weight"] = kernel * (2 / (9 * before)) ** 0.5
            weights[f"{layer}.bias"] = torch.randn(after, generator=seeded) / 10
            before = after
    return weights


def toy_studio(**arguments: Any) -> Studio:
    """Give a studio on the CPU that knows the toy network alone."""
    return Studio(load=convolutions, **arguments)


class WatchedStudio(Studio):
    """A studio that notes the size of every picture that goes through the network."""

    def __init__(self) -> None:
        super().__init__(load=convolutions)
        self.seen: list[tuple[int, int]] = []

    def features(self, recipe: Recipe) -> Any:
        """Give the network, watched."""
        return _Watched(super().features(recipe), self.seen)


class _Watched:
    def __init__(self, features: Features, seen: list[tuple[int, int]]) -> None:
        self._features, self._seen = features, seen

    def __call__(self, image: torch.Tensor, layers: Iterable[str]) -> dict[str, torch.Tensor]:
        self._seen.append((image.shape[-2], image.shape[-1]))
        return self._features(image, layers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._features, name)


def toy_recipe(**changes: Any) -> Recipe:
    """Give a style transfer of 16 px in three steps, with some fields changed."""
    plain: dict[str, Any] = {
        "network": "toy",
        "terms": (Content(layer="relu2_1"), Gram(layer="relu1_1")),
        "octaves": Octaves(size=16, steps=(3,)),
        "precision": "fp32",
        "log_every": 1,
    }
    return Recipe(**plain | changes)


def picture(seed: int, height: int = 12, width: int = 16) -> torch.Tensor:
    """Give a picture with broad forms, some grain and colours of its own, within [0.1, 0.9]."""
    seeded = torch.Generator().manual_seed(seed)
    forms = torch.rand(1, 3, 3, 4, generator=seeded)
    broad = torch.nn.functional.interpolate(forms, (height, width), mode="bilinear")
    grain = torch.randn(1, 3, height, width, generator=seeded) / 20
    return (0.1 + 0.8 * broad + grain).clamp(0.1, 0.9)


def style(seed: int, *, weight: float = 1.0, height: int = 14, width: int = 14) -> Style:
    """Give a style picture under a key of its own."""
    return Style(picture(seed, height, width), key=f"style {seed}", weight=weight)


def natural(seed: int, height: int = 96, width: int = 96) -> torch.Tensor:
    """Give a picture with the falling spectrum and the muted colours of photographs."""
    seeded = torch.Generator().manual_seed(seed)
    color = torch.randn(1, 3, height, width, generator=seeded)
    light = torch.randn(1, 1, height, width, generator=seeded)
    vertical = torch.fft.fftfreq(height)[:, None]
    frequency = (vertical.square() + torch.fft.rfftfreq(width).square()).sqrt()
    falling = frequency.clamp_min(1 / height) ** -1.3
    values = torch.fft.irfft2(torch.fft.rfft2(light + 0.35 * color) * falling, s=(height, width))
    return (0.45 + 0.22 * (values - values.mean()) / values.std()).clamp(0, 1)
