"""The program that draws the first picture of a video into a JPEG: `poster_program.py VIDEO JPEG`.

Run by `handlers/posters.py` in a process of its own, since it decodes what a stranger sent. Imports nothing of ours and
limits itself before it opens the file.

https://pyav.basswood-io.com/docs/stable/
"""

import resource
import sys
from contextlib import suppress

_SECONDS, _MEMORY, _LARGEST, _WIDTH = 20, 4 << 30, 8 << 20, 1280


def draw(source: str, target: str) -> None:
    """Decode the first frame, make it at most so wide, and encode it."""
    import av

    with av.open(source) as container:
        frame = next(container.decode(video=0))
        width = max(min(frame.width, _WIDTH) // 2 * 2, 2)
        height = max(round(frame.height * width / frame.width) // 2 * 2, 2)
        picture = frame.reformat(width, height, "yuvj420p")
    with av.open(target, "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        picture.pts = 0
        out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def limit() -> None:  # pragma: no cover - of the process that runs this
    """Take so much time, memory and disk, and no more."""
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST, _LARGEST))
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":  # pragma: no cover - in that process
    limit()
    draw(sys.argv[1], sys.argv[2])
