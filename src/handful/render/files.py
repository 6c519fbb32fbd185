"""Films as files."""

import subprocess
from pathlib import Path
from typing import Literal

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from handful.files import write_atomically
from handful.render.film import Film

FilmFormat = Literal["gif", "mp4"]

_COLOURS = 64
"""Of a GIF: soft floor, one robot and a caption need few, and fewer make it small."""

_QUALITY = "24"
"""x264's constant rate factor: 18 looks like the original, 28 shows its savings."""


def write_film(film: Film, path: Path, kind: FilmFormat) -> None:
    """Write a film, all or nothing."""
    write = {"gif": _write_gif, "mp4": _write_mp4}[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: write(film, temporary))


def _write_gif(film: Film, path: Path) -> None:
    """One palette for all pictures and no dithering: what stands still costs nothing."""
    sample = film.pictures[:: max(1, len(film.pictures) // 8)]
    # Little of a picture has the policy's colour, so it gets a picture of its own to be kept.
    sample = [*sample, Image.new("RGB", sample[0].size, film.colour)]
    strip = Image.fromarray(np.concatenate([np.asarray(picture) for picture in sample]))
    palette = strip.quantize(_COLOURS, dither=Image.Dither.NONE)
    frames = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in film.pictures]
    frames[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 * film.frame_seconds),
        loop=0,
        optimize=False,
    )


def _write_mp4(film: Film, path: Path) -> None:
    """Through the ffmpeg that imageio-ffmpeg brings."""
    first = film.pictures[0]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{first.width}x{first.height}"]
    rate = ["-r", f"{1 / film.frame_seconds:g}"]
    coding = ["-c:v", "libx264", "-crf", _QUALITY, "-pix_fmt", "yuv420p", "-f", "mp4"]
    subprocess.run(
        [get_ffmpeg_exe(), "-y", "-v", "error", *source, *rate, "-i", "-", *coding, str(path)],
        input=b"".join(picture.tobytes() for picture in film.pictures),
        check=True,
    )
