"""Makes the small clips that the simulator hands out: H.264 in MP4, 160x90, a moving test pattern.

The made files are kept beside this script, so the program itself needs no encoder. Run it again with
`python -m receiver.simulator.make_clips` (it needs the extra `video`).
"""

from fractions import Fraction
from pathlib import Path

import av

LENGTHS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 16)
WIDTH, HEIGHT, RATE = 160, 90, 12
BARS = ((180, 128, 128), (162, 44, 142), (131, 156, 44), (112, 72, 58), (84, 184, 198), (65, 100, 212), (35, 212, 114))


def planes(number: int) -> tuple[bytes, bytes, bytes]:
    """Draw one frame in yuv420p: colour bars that wander to the left, under a bar of brightness that grows."""
    full = [BARS[((column + 2 * number) * len(BARS) // WIDTH) % len(BARS)] for column in range(WIDTH)]
    bright = bytes(value[0] for value in full)
    ramp = bytes(235 if column < (number * 2) % WIDTH else 16 for column in range(WIDTH))
    luma = bright * (HEIGHT - 15) + ramp * 15
    blue, red = (bytes(value[part] for value in full[::2]) * (HEIGHT // 2) for part in (1, 2))
    return luma, blue, red


def frame(number: int) -> av.VideoFrame:
    """Put the three planes into a frame, line by line, as its lines may be padded."""
    made = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane, content in zip(made.planes, planes(number), strict=True):
        lines = (content[row * plane.width : (row + 1) * plane.width] for row in range(plane.height))
        plane.update(b"".join(line.ljust(plane.line_size, b"\0") for line in lines))
    made.pts = number
    made.time_base = Fraction(1, RATE)
    return made


def make(path: Path, seconds: int) -> None:
    """Write one clip of so many seconds, its index in front so that players can start at once."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "34", "preset": "veryslow", "x264-params": "threads=1"}
        for number in range(seconds * RATE):
            container.mux(stream.encode(frame(number)))
        container.mux(stream.encode(None))


def main() -> None:
    """Make every clip again."""
    folder = Path(__file__).parent / "clips"
    folder.mkdir(exist_ok=True)
    for seconds in LENGTHS:
        make(folder / f"{seconds}.mp4", seconds)


if __name__ == "__main__":
    main()
