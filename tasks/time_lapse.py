"""How a picture emerged: an animation of its kept frames, and a video where an encoder is here."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from threading import Timer
from typing import TYPE_CHECKING

from torch.nn.functional import pad

from nst_core.errors import NSTError
from nst_core.images import animate, decode, resize
from nst_core.octaves import size_of
from tasks.durable import explained, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

_MILLISECONDS = 120
# The finished picture is held for a moment before the loop begins again.
_HELD = 8
_LONGEST_SECONDS = 600.0


class VideoError(NSTError):
    """No video could be made; the picture and its animation are as they should be."""

    code = "E-VIDEO"
    kind = "environment"


def animation(frames: Sequence[Path], final: Tensor, folder: Path) -> Path:
    """Write ``frames.webp``, an animation at the size of the finished picture; return its path.

    Args:
        frames: Pictures on the way, in order, of any size.
        final: The finished picture, (1, 3, H, W).
        folder: Where to.
    """
    path = folder / "frames.webp"
    write_atomic(path, animate(list(_shown(frames, final)), milliseconds=_MILLISECONDS))
    return path


def video(frames: Sequence[Path], final: Tensor, folder: Path) -> Path:
    """Write ``video.mp4``, the same as H.264; return its path.

    The same frames and the same encoder give the same bytes.

    Args:
        frames: Pictures on the way, in order, of any size.
        final: The finished picture, (1, 3, H, W); an odd side is repeated at its end, as the
            format wants even ones.
        folder: Where to.

    Raises:
        VideoError: There is no encoder, or it failed.
        OutputError: The video cannot be written.
    """
    encoder = find_encoder()
    if encoder is None:
        raise VideoError(
            "no video is made without an encoder",
            remedy="install ffmpeg, or pip install 'nst-gallery[video]'",
        )
    height, width = (side + side % 2 for side in final.shape[-2:])
    path = folder / "video.mp4"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".video-") as room:
        made = Path(room) / path.name
        _encode(encoder, (_raw(frame) for frame in _shown(frames, final)), (width, height), made)
        with explained(made):
            data = made.read_bytes()
        write_atomic(path, data)
    return path


def find_encoder() -> str | None:
    """Return the path of ffmpeg: the machine's own, or the one that imageio-ffmpeg brings."""
    if own := shutil.which("ffmpeg"):
        return own
    try:
        from imageio_ffmpeg import get_ffmpeg_exe  # noqa: PLC0415 # an extra

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # not installed, or without a binary for this machine
        return None


def _shown(frames: Sequence[Path], final: Tensor) -> Iterator[Tensor]:
    """Yield the frames at the size of the finished picture, which comes last and stays."""
    size = size_of(final)
    for path in frames:
        yield resize(decode(path.read_bytes()).pixels, size)
    for _ in range(_HELD):
        yield final


def _raw(frame: Tensor) -> bytes:
    """Return (1, 3, H, W) as rows of 8-bit RGB with even sides."""
    height, width = frame.shape[-2:]
    even = pad(frame.detach().float().cpu(), (0, width % 2, 0, height % 2), mode="replicate")
    values = (even[0].clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0)
    return values.contiguous().numpy().tobytes()


def _encode(encoder: str, frames: Iterator[bytes], size: tuple[int, int], made: Path) -> None:
    """Give raw frames to the encoder.

    Raises:
        VideoError: It failed, or does not end.
    """
    width, height = size
    command = [
        *(encoder, "-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{width}x{height}"),
        *("-framerate", f"1000/{_MILLISECONDS}", "-i", "pipe:0"),
        # The colours of sRGB, told and kept, in the form that every player shows.
        *("-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "iec61966-2-1"),
        *("-c:v", "libx264", "-preset", "medium", "-crf", "17", "-movflags", "+faststart"),
        # One thread and no dates: equal frames give equal bytes.
        *("-threads", "1", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"),
        *("-y", os.fspath(made)),
    ]
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # noqa: S603 # no shell, and nothing in it is anybody's text
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
            )
        except OSError as error:
            raise VideoError(f"no video is made: {error}") from error
        # One that hangs, reading nothing, would hold up the writing of frames as well.
        alarm = Timer(_LONGEST_SECONDS, process.kill)
        alarm.start()
        try:
            with process:
                _feed(process, frames)
                code = process.wait()
        finally:  # a frame that cannot be read, say
            alarm.cancel()
        if code:
            said.seek(0)
            lines = said.read(2000).decode("utf-8", "replace").strip().splitlines()
            why = "it was ended" if code == -SIGKILL else " ".join(lines[-2:])
            raise VideoError(f"no video is made: ffmpeg ended with {code}: {why}")


def _feed(process: subprocess.Popen[bytes], frames: Iterator[bytes]) -> None:
    """Write frames to an encoder; one that ended early says by itself why."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        for frame in frames:
            process.stdin.write(frame)
    with suppress(BrokenPipeError):
        process.stdin.close()
