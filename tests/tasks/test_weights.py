from __future__ import annotations

import hashlib
import random
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nst_core.errors import WeightsError
from nst_core.networks import NETWORKS, Download, network
from tasks.storage import store_for
from tasks.storage_errors import InputError
from tasks.weights import fetch_weights, require_weights, weights_state

CONTENT = b"the weights of GoogLeNet" * 10_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of downloaded weights, not there yet."""
    monkeypatch.setenv("NST_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A place that publishes a file by HTTP; gives its address and folder."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = tmp_path / "served"
    served.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", served
        server.shutdown()
        thread.join()


def googlenet(url="http://127.0.0.1:1/googlenet.pth"):
    """Give the row with weights of our own."""
    digest = hashlib.sha256(CONTENT).hexdigest()[:8]
    source = Download(url=url, sha256=digest, megabytes=1, format="state-dict")
    return replace(network("googlenet"), source=source)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_state(folder, name: str):
    """Weights that are not here are no error, and it is said how to get them."""
    found = weights_state(network(name))

    assert found.state in {"present", "missing"}
    assert (found.remedy is None) == (found.state == "present")


def test_installed_weights_are_present(folder):
    """What comes with the installation needs no folder."""
    assert weights_state(network("vgg19")).state == "present"
    assert weights_state(network("efficientnet-lite0")).state == "present"


def test_weights_are_taken_from_a_file(folder, tmp_path):
    """A file from elsewhere lies afterwards where the network looks for it."""
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    path = fetch_weights(googlenet(), source=tmp_path / "mine.pth")

    assert path == folder / "googlenet.pth"
    assert path.read_bytes() == CONTENT
    assert weights_state(googlenet()).state == "present"


def test_weights_are_taken_from_a_folder(folder, tmp_path):
    """Where the file has its published name."""
    (tmp_path / "googlenet.pth").write_bytes(CONTENT)

    assert fetch_weights(googlenet(), source=tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("given", ["weights/", "weights/googlenet.pth", "weights/mine.pth"])
def test_weights_are_taken_from_a_bucket(folder, bucket, given: str):
    """An object of any name, or the one of the published name below a prefix."""
    name = given if given.endswith(".pth") else f"{given}googlenet.pth"
    store_for(bucket).write(f"{bucket}/{name}", CONTENT)

    path = fetch_weights(googlenet(), source=f"{bucket}/{given}")

    assert path.read_bytes() == CONTENT
    assert weights_state(googlenet()).state == "present"


def test_wrong_weights_in_a_bucket_are_refused(folder, bucket):
    """What is damaged there does not come here."""
    store_for(bucket).write(f"{bucket}/mine.pth", CONTENT[:-1] + b"!")
    with pytest.raises(WeightsError, match=r"mine\.pth is damaged or not googlenet"):
        fetch_weights(googlenet(), source=f"{bucket}/mine.pth")

    assert not folder.exists()


def test_weights_that_no_bucket_holds_are_named(folder, bucket):
    """The error is the store's."""
    with pytest.raises(InputError, match=r"mine\.pth"):
        fetch_weights(googlenet(), source=f"{bucket}/mine.pth")


def test_three_hundred_flipped_bits_are_noticed(folder):
    """One bit anywhere is enough, be it in the first byte, the last one or any other."""
    fetched = folder / "googlenet.pth"
    fetched.parent.mkdir()
    chance = random.Random(300)
    bits = [0, 8 * len(CONTENT) - 1, *(chance.randrange(8 * len(CONTENT)) for _ in range(298))]
    for bit in bits:
        damaged = bytearray(CONTENT)
        damaged[bit // 8] ^= 1 << bit % 8
        fetched.write_bytes(damaged)

        assert weights_state(googlenet()).state == "damaged"


def test_weights_are_downloaded(folder, published):
    """They come from where they are published, and progress is told."""
    url, served = published
    (served / "googlenet.pth").write_bytes(CONTENT)
    told = []
    path = fetch_weights(
        googlenet(f"{url}/googlenet.pth"), on_progress=lambda *seen: told.append(seen)
    )

    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("name", ["googlenet", "inception-v3", "vgg16", "vgg19-torchvision"])
def test_a_wrong_file_is_refused(folder, tmp_path, name: str):
    """A file without the published hash is not taken, and left where it is."""
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    row = network(name)
    with pytest.raises(WeightsError) as refused:
        fetch_weights(row, source=tmp_path / "mine.pth")

    assert refused.value.code == "E-WEIGHTS-SHA"
    assert refused.value.remedy == f"take the file as {row.source.url} publishes it"
    assert row.source.url.endswith(f"-{row.source.sha256}.pth")
    assert not folder.exists()


def test_a_download_that_fails_is_explained(folder, published):
    """The error tells the address, and how to bring the file oneself."""
    url, _ = published
    with pytest.raises(WeightsError) as refused:
        fetch_weights(googlenet(f"{url}/googlenet.pth"))

    assert refused.value.code == "E-WEIGHTS-FETCH"
    assert f"cannot be had from {url}/googlenet.pth" in refused.value.message
    assert refused.value.remedy.endswith("run: nst weights fetch googlenet --from FILE")


def test_missing_weights_are_told_with_their_remedy(folder):
    """A night that needs them does not begin."""
    with pytest.raises(WeightsError) as refused:
        require_weights(["vgg19", "googlenet"])

    assert str(refused.value) == (
        "the weights of googlenet are missing; run: nst weights fetch googlenet"
    )
    assert refused.value.code == "E-WEIGHTS-MISSING"


def test_damaged_weights_are_told(folder):
    """A file that is no longer what was published is as bad as none."""
    folder.mkdir()
    (folder / "googlenet.pth").write_bytes(CONTENT[:-1])

    assert weights_state(googlenet()).state == "damaged"
