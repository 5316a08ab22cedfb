"""Writes pictures to files: GIF always, MP4 if ffmpeg is installed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hindsight_rl.atomic_files import check_output
from hindsight_rl.errors import HindsightError

LAST_MS = 2500  # how long the last frame is shown


def check_target(out: Path) -> None:
    """Check that a film's file can be written, before anything is computed.

    Raises:
        HindsightError: the file name does not end in .gif or .mp4, .mp4 without ffmpeg, or the file cannot be written.
    """
    if out.suffix.lower() not in (".gif", ".mp4"):
        raise HindsightError(f"--out {out}: the film's name must end in .gif or .mp4")
    if out.suffix.lower() == ".mp4":
        try:
            import imageio_ffmpeg

            imageio_ffmpeg.get_ffmpeg_exe()
        except (ImportError, RuntimeError) as error:
            raise HindsightError(
                f"--out {out}: .mp4 needs ffmpeg: pip install imageio-ffmpeg, or name the film .gif"
            ) from error
    check_output(out)


def write_gif(pictures: Sequence[Image.Image], out: Path, fps: int) -> None:
    """Write a looping GIF with one palette for all frames; only changed pixels are stored.

    Args:
        pictures: RGB, all of one size.
        fps: frames per second; GIF knows hundredths of a second.
    """
    palette = _palette(pictures[:: max(1, len(pictures) // 10)])
    flat = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    each = max(2, round(100 / fps)) * 10
    flat[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=flat[1:],
        duration=[each] * (len(flat) - 1) + [LAST_MS],
        loop=0,
        optimize=True,
        disposal=1,
    )


def _palette(sample: Sequence[Image.Image]) -> Image.Image:
    """At most 254 colours for all frames; two are reserved for unchanged pixels."""
    pixels = np.concatenate([np.asarray(picture).reshape(-1, 3) for picture in sample]).astype(np.int64)
    codes, counts = np.unique(pixels @ (65536, 256, 1), return_counts=True)
    # The weight of a colour is capped. Otherwise large areas of grass would leave no colours for the small icons.
    flat = np.repeat(codes, np.minimum(counts, 2000))
    strip = np.stack([flat >> 16, flat >> 8 & 255, flat & 255], axis=1)[None].astype(np.uint8)
    return Image.fromarray(strip).quantize(254, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def write_mp4(pictures: Sequence[Image.Image], out: Path, fps: int) -> None:
    """Write an H.264 video.

    Raises:
        HindsightError: there is no ffmpeg, or it failed.
    """
    import imageio.v2 as imageio

    held = [*pictures, *[pictures[-1]] * round(fps * LAST_MS / 1000)]
    try:
        writer = imageio.get_writer(out, format="FFMPEG", fps=fps, codec="libx264", quality=7, macro_block_size=2)
        with writer:
            for picture in held:
                writer.append_data(np.asarray(picture))
    except OSError as error:
        first = (str(error).splitlines() or ["no reason given"])[0]
        raise HindsightError(f"ffmpeg could not write {out}: {first}; or name the film .gif") from error
