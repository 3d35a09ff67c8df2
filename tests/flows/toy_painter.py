"""A painter for the slots of tests: fast, exact, and as clumsy as the content picture's name says.

A picture is a walk of hashes that starts from the bytes of the pair's pictures, so one that was
resumed wrongly is another picture. Every step is kept, as a checkpoint is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import time
from io import BytesIO

from PIL import Image

from nst_core.errors import DivergedError, ImageError
from tasks.durable import write_atomic
from tasks.jobs import Stopped
from tasks.render import PaintResult

SIZE = (8, 6)


def main(job, emit, stop):
    """Paint ``job["pair"]`` in as many steps as its recipe asks for."""
    pair = job["pair"]
    emit({"kind": "stage", "stage": "reading"})
    pictures = [
        _read(source) for source in (pair.content, *(style.source for style in pair.styles))
    ]
    blunder = _BLUNDERS.get(pair.content.path.stem.partition("-")[0], lambda *_: None)
    octaves = pair.recipe.octaves
    steps = [octaves.steps_at(index) for index in range(len(octaves.sides()))]
    last = steps[0] if pair.draft else sum(steps)
    canvas, done, resumed_at = _resumed(pair) or (_hash(b"".join(pictures)), 0, [])
    while done < last:
        blunder(pair, done, stop)
        time.sleep(0.002)
        canvas, done = _hash(canvas.encode()), done + 1
        emit(
            {
                "kind": "progress",
                "done": done,
                "planned": sum(steps),
                "size": SIZE[::-1],
                "total": 1 / done,
                "seconds": 0.1 * done,
            }
        )
        state = {"canvas": canvas, "done": done, "resumed_at": resumed_at}
        write_atomic(_checkpoint(pair), json.dumps(state).encode())
        if stop.is_set():
            raise Stopped(f"stopped at step {done} of {sum(steps)}")
    return _finished(pair, canvas, last, resumed_at)


def _hash(data):
    return hashlib.sha256(data).hexdigest()


def _read(source):
    """Return a picture's bytes, having looked whether it is one."""
    data = source.read()
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
    except OSError as error:
        raise ImageError(f"{source.path.name} is no picture", code="E-IMG-DECODE") from error
    return data


def _checkpoint(pair):
    return pair.checkpoints / pair.pair_id / "toy.json"


def _resumed(pair):
    try:
        state = json.loads(_checkpoint(pair).read_text())
    except FileNotFoundError:
        return None
    return state["canvas"], state["done"], [*state["resumed_at"], state["done"]]


def _finished(pair, canvas, steps, resumed_at):
    """Return what the slot's caller expects, its files written."""
    picture, losses = pair.folder / "picture.png", pair.folder / "losses.csv"
    data = BytesIO()
    Image.new("RGB", SIZE, f"#{canvas[:6]}").save(data, "PNG")
    write_atomic(picture, data.getvalue())
    rows = [f"{step},1,{SIZE[0]},{SIZE[1]},{0.1 * step:.1f},{1 / step}" for step in range(1, steps)]
    write_atomic(losses, "\n".join(["step,octave,width,height,seconds,total", *rows]).encode())
    # Some drafts come nearer to their style than others do.
    loss = (1 + int(canvas[:4], 16) / 0xFFFF if pair.draft else 1) / steps
    if pair.content.path.stem == "vanishes":
        picture.unlink()
    return PaintResult(
        picture=picture,
        losses=losses,
        objective={"first": 1.0, "last": loss, "terms": {"style": loss}},
        steps=steps,
        seconds=0.1 * steps,
        resumed_at=resumed_at,
        weights_sha256="5" * 64,
    )


def _diverge(pair, done, stop):
    raise DivergedError("loss became NaN in step 1", code="E-DIVERGED-NAN", remedy="lower its rate")


def _overshoot(pair, done, stop):
    if not pair.gentler:
        _diverge(pair, done, stop)


def _die(pair, done, stop):
    """Be killed in the second step, each time."""
    if done == 1:
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()


def _faint(pair, done, stop):
    """Be killed in the second step, the first time."""
    if done == 1 and _is_first(pair):
        _die(pair, done, stop)


def _fill_the_disk(pair, done, stop):
    raise OSError(errno.ENOSPC, "No space left on device")


def _err(pair, done, stop):
    raise LookupError("nobody thought of this")


def _swell(pair, done, stop):
    raise MemoryError


def _bulge(pair, done, stop):
    """Take too much memory before the second rung of the ladder."""
    if pair.frugal < 2:
        raise MemoryError


def _hang(pair, done, stop):
    time.sleep(3600)


def _blab(pair, done, stop):
    raise LookupError(f"no answer to {os.environ['AWS_SECRET_ACCESS_KEY']}")


def _tarry(pair, done, stop):
    """Make the second step only when asked to stop or told to go on, the first time."""
    if done == 1 and _is_first(pair):
        while not (stop.is_set() or (pair.folder / "go").exists()):
            time.sleep(0.005)


def _is_first(pair):
    if (mark := pair.folder / "mark").exists():
        return False
    write_atomic(mark, b"")
    return True


_BLUNDERS = {
    "diverges": _diverge,
    "overshoots": _overshoot,
    "dies": _die,
    "faints": _faint,
    "full": _fill_the_disk,
    "errs": _err,
    "swells": _swell,
    "bulges": _bulge,
    "hangs": _hang,
    "blabs": _blab,
    "tarries": _tarry,
}
