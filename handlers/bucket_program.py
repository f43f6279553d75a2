"""The program that does one thing with a bucket: a line of JSON on its standard input says what, bytes may follow it.

Run by `handlers/bucket_run.py` in a process of its own: the library reads every refusal to its end, and one that never
ends would take all memory and the process with it. Imports nothing of ours and limits itself first. Exit code 0: done,
with what was found on the standard output; the numbers of some errors of a disk: refused, and why; any other: it broke.

https://developmentseed.org/obstore/latest/api/store/aws/
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import asyncio
import errno
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

#: What is larger goes up in parts.
ALONE = 64 << 20
#: The exit codes of a refusal; an uncaught exception's is none of them.
REFUSALS = frozenset({errno.ENOENT, errno.EIO, errno.EACCES, errno.EEXIST})
_MEMORY = 512 << 20


class ChangedError(Exception):
    """The object is not the one that was looked at."""


def limit() -> None:  # pragma: no cover - of the process that runs this
    """Take so much memory, and no more; leave nothing behind where that is not enough."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


async def do(asked: Mapping[str, Any], content: bytes) -> bytes:
    """Do what is asked of the object `key` in `bucket`: look, read, load, write, or keep a file of this disk."""
    import obstore
    from obstore.store import S3Store

    retries: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=asked["seconds"])}
    store = S3Store.from_url(asked["bucket"], retry_config=retries, copy_if_not_exists="multipart")
    key = asked["key"]
    match asked["do"]:
        case "look":
            found = await obstore.head_async(store, key)
            changed = found["last_modified"].timestamp()
            return json.dumps({"size": found["size"], "changed": changed, "etag": found["e_tag"]}).encode()
        case "read":
            piece = await obstore.get_range_async(store, key, start=asked["at"], length=asked["count"])
            return bytes(piece)[: asked["count"]]
        case "load":
            await _load(store, key, Path(asked["path"]), asked["size"])
        case "write":
            await obstore.put_async(store, key, content)
        case _:
            await _keep(store, key, Path(asked["path"]), asked["size"])
    return b""


async def _load(store: Any, key: str, path: Path, size: int) -> None:
    import obstore

    found = await obstore.get_async(store, key)
    if found.meta["size"] != size:
        raise ChangedError
    with path.open("wb") as file:
        async for chunk in found.stream(min_chunk_size=1 << 20):
            file.write(chunk)


async def _keep(store: Any, key: str, path: Path, size: int) -> None:
    import obstore

    if size <= ALONE:
        await obstore.put_async(store, key, path, mode="create")
        return
    # what goes up in parts takes no condition here; its copy does
    aside = str(Path(key).with_name(path.name))
    try:
        await obstore.put_async(store, aside, path)
        await obstore.copy_async(store, aside, key, overwrite=False)
    finally:
        with suppress(Exception):
            await obstore.delete_async(store, aside)


def refusal(error: Exception) -> tuple[int, str]:
    """A refusal as an error of a disk: its number and its reason, without the library's words: they hold URLs."""
    name, said = type(error).__name__, str(error)
    if name in {"NotFoundError", "FileNotFoundError"}:
        return errno.ENOENT, "no such object or bucket"
    if name == "AlreadyExistsError":
        return errno.EEXIST, "exists"
    if name in {"PermissionDeniedError", "UnauthenticatedError"}:
        return errno.EACCES, "permission denied"
    if isinstance(error, ChangedError):
        return errno.EIO, "the object has changed meanwhile"
    # the library tells these apart only in its words
    if re.search(r"certificate|InvalidCertificate", said):
        return errno.EIO, f"its TLS certificate is not accepted{' (it has expired)' if 'Expired' in said else ''}"
    status = re.search(r"status code: (\d{3})", said)
    return errno.EIO, f"the store answered HTTP {status[1]}" if status else "the store gave no answer"


async def _main() -> int:  # pragma: no cover - in that process
    asked = json.loads(sys.stdin.buffer.readline())
    task = asyncio.ensure_future(do(asked, sys.stdin.buffer.read()))
    # whoever ends it early lets it take back what it left half done
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        found, code = await task, 0
    except Exception as error:  # noqa: BLE001 - said in our words, since the library's hold URLs
        code, words = refusal(error)
        found = words.encode()
    sys.stdout.buffer.write(found)
    sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":  # pragma: no cover - in that process
    limit()
    # not sys.exit: threads of the library may still be about, and would break what has ended
    os._exit(asyncio.run(_main()))
