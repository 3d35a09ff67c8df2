"""How a picture emerged: the animation, and the video by the real encoder."""

from __future__ import annotations

import subprocess
import sys
import threading
from io import BytesIO

import pytest
import torch
from PIL import Image

from nst_core.errors import ImageError
from nst_core.images import encode
from tasks import time_lapse
from tasks.time_lapse import VideoError, animation, find_encoder, video

FINAL = torch.full((1, 3, 33, 47), 0.25)

needs_encoder = pytest.mark.skipif(
    find_encoder() is None, reason="needs ffmpeg or imageio-ffmpeg: pip install --group test"
)


@pytest.fixture
def frames(tmp_path):
    """Three frames, the first of a coarser octave: red, green, blue."""
    paths = []
    for number, size in enumerate([(16, 24), (33, 47), (33, 47)]):
        pixels = torch.zeros(1, 3, *size)
        pixels[:, number] = 1.0
        paths.append(tmp_path / f"frame_{number:06d}.webp")
        paths[-1].write_bytes(encode(pixels, format="webp"))
    return paths


def seen(path):
    """Return a video's frames as the encoder's own decoder gives them."""
    pngs = path.with_name("seen-%d.png")
    subprocess.run(
        [find_encoder(), "-loglevel", "error", "-i", path, "-fps_mode", "passthrough", pngs],
        check=True,
    )
    found = sorted(path.parent.glob("seen-*.png"), key=lambda file: int(file.stem[5:]))
    return [Image.open(BytesIO(file.read_bytes())).convert("RGB") for file in found]


def test_the_animation_ends_with_the_picture(frames, tmp_path):
    """Every frame at the picture's size, and the picture itself at last."""
    with Image.open(animation(frames, FINAL, tmp_path)) as image:
        assert image.size == (47, 33)
        assert image.n_frames == 4  # the picture that is held is one frame
        image.seek(3)
        assert image.convert("RGB").getpixel((20, 20)) == pytest.approx((64, 64, 64), abs=3)


@needs_encoder
def test_the_video_shows_the_frames_and_holds_the_picture(frames, tmp_path):
    """In order, in their colours, at even sides."""
    shown = seen(video(frames, FINAL, tmp_path))

    assert [image.size for image in shown] == [(48, 34)] * 11
    colors = [image.getpixel((20, 20)) for image in shown]
    wanted = [(255, 0, 0), (0, 255, 0), (0, 0, 255), *[(64, 64, 64)] * 8]
    for color, expected in zip(colors, wanted, strict=True):
        assert color == pytest.approx(expected, abs=8)


@needs_encoder
def test_the_same_frames_give_the_same_bytes(frames, tmp_path):
    """No dates, no threads."""
    first = video(frames, FINAL, tmp_path).read_bytes()

    assert video(frames, FINAL, tmp_path).read_bytes() == first


@needs_encoder
def test_nothing_but_the_video_is_left(frames, tmp_path):
    """The encoder's own file is gone."""
    video(frames, FINAL, tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        *(path.name for path in frames),
        "video.mp4",
    }


def test_without_an_encoder_it_is_said_what_to_install(frames, tmp_path, monkeypatch):
    """Neither ffmpeg on the path nor the package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)

    with pytest.raises(VideoError, match="install ffmpeg"):
        video(frames, FINAL, tmp_path)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#!/bin/sh\necho no such codec >&2\nexit 7\n", "ended with 7: no such codec"),
        ("#!/bin/sh\nexec sleep 60\n", "it was ended"),
        ("no program at all", "no video is made"),
    ],
)
def test_an_encoder_that_fails_is_an_error(frames, tmp_path, monkeypatch, script, why):
    """It says why, it hangs, or it cannot be started."""
    fake = tmp_path / "ffmpeg"
    fake.write_text(script)
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(time_lapse, "_LONGEST_SECONDS", 0.5)

    with pytest.raises(VideoError, match=why):
        video(frames, FINAL, tmp_path)


@needs_encoder
def test_a_frame_that_cannot_be_read_leaves_no_alarm_set(frames, tmp_path):
    """It would keep the process for ten minutes from ending."""
    frames[1].write_bytes(b"")

    with pytest.raises(ImageError):
        video(frames, FINAL, tmp_path)

    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())
