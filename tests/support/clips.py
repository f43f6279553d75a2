"""Bytes that are, and that are not, whole videos as far as their boxes go."""

import struct


def box(kind: bytes, content: bytes = b"") -> bytes:
    """One box of an MP4 file."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def mp4(size: int = 5000, fill: bytes = b"\x11") -> bytes:
    """A file with the boxes of a video."""
    return box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"moov", b"\0" * 100) + box(b"mdat", fill * size)


def film(ticks: int, scale: int, *tracks: bytes, mehd: int | None = None, long: bool = False) -> bytes:
    """A file whose head says the length of its film, with these tracks."""
    times = struct.pack(">4xQQIQ" if long else ">4xIIII", 0, 0, scale, ticks)
    mvhd = box(b"mvhd", (b"\1" + times[1:] if long else times) + b"\0" * 80)
    mvex = b"" if mehd is None else box(b"mvex", box(b"trex") + box(b"mehd", struct.pack(">4xI", mehd)))
    moov = box(b"moov", mvhd + b"".join(tracks) + mvex)
    return box(b"ftyp", b"isom") + box(b"free") + moov + box(b"mdat", b"\x11" * 100)


def track(width: int, height: int, kind: bytes = b"vide", *, turned: bool = False, long: bool = False) -> bytes:
    """A track of a film, whose picture may be shown on its side."""
    one, none = 1 << 16, 0
    turns = (none, one, none, -one, none) if turned else (one, none, none, none, one)
    head = b"\1\0\0\3" + b"\0" * 48 if long else b"\0\0\0\3" + b"\0" * 36
    tkhd = head + struct.pack(">9i", *turns, 0, 0, 0, 1 << 30) + struct.pack(">II", width << 16, height << 16)
    return box(b"trak", box(b"tkhd", tkhd) + box(b"mdia", box(b"mdhd") + box(b"hdlr", b"\0" * 8 + kind + b"\0" * 13)))


WEBM = b"\x1a\x45\xdf\xa3" + b"\x01" * 500
HTML = b"<!DOCTYPE html><html><body>Link expired</body></html>"
