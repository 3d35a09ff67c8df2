"""Files of small pictures, and what is decoded from them."""

import io
import struct
import zlib

from PIL import Image

from nst_core.images import decode


def file_of(image, kind, **options):
    """Return the picture as Pillow writes it."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def flat(mode, color, size=(3, 2)):
    """Return a picture of one colour."""
    return Image.new(mode, size, color)


def values(data, **options):
    """Return the decoded pixels as (H, W, 3), 0 to 255, not rounded."""
    return decode(data, **options).pixels[0].permute(1, 2, 0).double().numpy() * 255


def chunk(name, body):
    """Return one chunk of a PNG."""
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)
