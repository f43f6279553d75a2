"""Bytes that are, and that are not, whole videos as far as their boxes go."""

import struct


def box(kind: bytes, content: bytes = b"") -> bytes:
    """One box of an MP4 file."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def mp4(size: int = 5000, fill: bytes = b"\x11") -> bytes:
    """A file with the boxes of a video."""
    return box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"moov", b"\0" * 100) + box(b"mdat", fill * size)


WEBM = b"\x1a\x45\xdf\xa3" + b"\x01" * 500
HTML = b"<!DOCTYPE html><html><body>Link expired</body></html>"
