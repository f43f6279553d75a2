"""A stand-in of the API, a folder with a configuration that leads to it, and verbs run in that folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api_stand_in import TOKEN, StandIn, api_stand_in
from tests.support.command_line import Ended, clipbell

Run = Callable[..., Ended]


@pytest.fixture
def server() -> Iterator[StandIn]:
    with api_stand_in() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path, server: StandIn) -> Path:
    text = f'listen = "127.0.0.1:{server.server.port}"\napi_token = "{TOKEN}"\nsecret_keys = ["{"k" * 32}"]\n'
    (tmp_path / "clipbell.toml").write_text(text)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    def do(*arguments: str, environ: dict[str, str] | None = None) -> Ended:
        return clipbell(*arguments, folder=folder, environ=environ)

    return do
