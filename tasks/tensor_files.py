"""Tensors as the bytes of a safetensors file, piece by piece and without a copy.

The library builds a whole file in memory, twice. What a large painting keeps would then take three
times the memory it is painted in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
# The header is filled up with spaces to whole words, as the library does it.
_WORD = 8


def pieces(
    tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> list[bytes | memoryview]:
    """Return the file: its header, then every tensor as a view of its own memory.

    Args:
        tensors: On the CPU; those that are not contiguous are copied.
        metadata: Kept in the header.

    Source: https://github.com/huggingface/safetensors, "Format".
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    views, end = [], 0
    # The widest first, so that each lies where its type wants it.
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        view = tensor.detach().reshape(-1).view(torch.uint8).numpy().data
        begin, end = end, end + view.nbytes
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
        views.append(view)
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % _WORD)
    return [len(told).to_bytes(_WORD, "little"), told, *views]
