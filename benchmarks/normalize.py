"""Measure the mean activations of VGG-19 that the normalised network divides by.

    python benchmarks/normalize.py FOLDER

prints, for every rectified convolution, the mean activation over all pictures of a folder of
photographs and paintings, and how far single pictures spread around it: the table
``_CAFFE_VGG19_MEANS`` of nst_core/networks.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from nst_core.errors import ImageError
from nst_core.features import Features
from nst_core.images import decode, resize
from nst_core.networks import network
from nst_core.octaves import scaled
from nst_core.weights import load_weights

LONGEST = 256  # pixels


def measure(folder: Path) -> torch.Tensor:
    """Return (pictures, convolutions) mean activations."""
    row = network("vgg19")
    layers = [layer for layer in row.layers if layer.startswith("relu")]
    features = Features(row, load_weights(row))
    means = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            pixels = decode(path.read_bytes()).pixels
        except ImageError as error:
            print(f"{path}: skipped, {error}", file=sys.stderr)
            continue
        size = scaled((pixels.shape[2], pixels.shape[3]), LONGEST, "longest")
        maps = features(resize(pixels, size), layers)
        means.append([maps[layer].mean().item() for layer in layers])
    return torch.tensor(means)


def main() -> None:
    """Print one line per block of the network."""
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit("usage: normalize.py FOLDER")
    with torch.inference_mode():
        means = measure(Path(sys.argv[1]))
    if not len(means):
        sys.exit(f"{sys.argv[1]} holds no picture")
    over_all, spread = means.mean(0), means.std(0, correction=0) / means.mean(0)
    print(f"{len(means)} pictures, {LONGEST} px; mean activation, and relative spread of pictures")
    at = 0
    for count in network("vgg19").architecture.blocks:
        values = ", ".join(f"{value:.4g}" for value in over_all[at : at + count])
        relative = ", ".join(f"{value:.0%}" for value in spread[at : at + count])
        print(f"    {values},  # ± {relative}")
        at += count


if __name__ == "__main__":
    main()
