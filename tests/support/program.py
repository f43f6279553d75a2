"""The real program as a subprocess, with its own folder, simulator and stand-ins. What acceptance tests drive."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
CLIPBELL = str(Path(sys.executable).parent / "clipbell")
API_TOKEN = "api-token-of-the-acceptance-tests"
SECRET_KEY = "secret-key-of-the-acceptance-tests-1"
KEYS = {"vrex": "sk-" + "v" * 32, "aivideoapi": "sk-" + "a" * 32}


def counting() -> dict[str, str]:
    """What has coverage count in a program of its own too, if it ends by itself; nothing but under `make cover`."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


class Program:
    """One server: its folder, its configuration, its process."""

    def __init__(self, folder: Path, base_urls: Mapping[str, str], port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {API_TOKEN}"},
            timeout=30,
            trust_env=False,
            verify=False,
        )
        self._base_urls = base_urls
        #: What is started; a test of the tests may put another program in its place.
        self.serve: list[str] = [CLIPBELL, "serve"]
        #: None: nobody can call back.
        self.public_url: str | None = self.url
        self.options: dict[str, Any] = {}
        #: What it finds in its environment beside what every program does.
        self.variables: dict[str, str] = {}
        self.account_options: dict[str, dict[str, Any]] = {}
        #: Accounts that are not configured after all.
        self.without: set[str] = set()
        self.handlers: dict[str, dict[str, Any]] = {
            "files": {"type": "downloader", "target": "clips", "keep_free": "0B"}
        }

    def configure(self) -> None:
        """Write the configuration file."""
        lines = [
            *([f'public_url = "{self.public_url}"'] if self.public_url else []),
            f'listen = "127.0.0.1:{self.port}"',
            f'secret_keys = ["{SECRET_KEY}"]',
            f'api_token = "{API_TOKEN}"',
            *(f"{name} = {_toml(value)}" for name, value in self.options.items()),
            "[network]",
            'allow = ["127.0.0.0/8"]',
        ]
        for name, url in self._base_urls.items():
            if name in self.without or (name not in KEYS and name not in self.account_options):
                continue
            usual = {"api_key": KEYS.get(name, "sk-" + "x" * 32), "base_url": url, "limits": ["10000/minute"]}
            lines += _section(f"vendors.{name}", {**usual, **self.account_options.get(name, {})})
        for name, options in self.handlers.items():
            lines += _section(f"handlers.{name}", options)
        (self.folder / "clipbell.toml").write_text("\n".join(lines) + "\n")

    def start(self, *arguments: str) -> None:
        """Start the server and wait until it answers."""
        self.begin(*arguments)
        self.eventually(self._answers, "the server to answer")

    def begin(self, *arguments: str) -> None:
        """Start the server and wait for nothing."""
        self.configure()
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.serve, *arguments], cwd=self.folder, stdout=log, stderr=log, env=self.environment()
            )

    def environment(self) -> dict[str, str]:
        """What the program sees of the environment: nothing of ours."""
        usual = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return {**usual, **counting(), **self.variables}

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 30) -> int:
        """End it with SIGTERM and answer its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one verb of the command line in the program's folder."""
        return subprocess.run(
            [CLIPBELL, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # --- the API ---

    def get(self, path: str, **query: Any) -> Any:
        """GET a JSON answer that has to be a success."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """GET the first page of a list."""
        found: list[dict[str, Any]] = self.get(path, **{"limit": 200, **query})["items"]
        return found

    def order(self, vendor: str = "vrex", prompt: str = "A coast", **fields: Any) -> dict[str, Any]:
        """Place an order that has to be taken."""
        answer = self.client.post("/v1/jobs", json={"vendor": vendor, "prompt": prompt, **fields})
        assert answer.status_code in (200, 202), answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        """Read a job."""
        found: dict[str, Any] = self.get(f"/v1/jobs/{job_id}")
        return found

    def settled(self, job_id: str, state: str = "completed", seconds: float = 20) -> dict[str, Any]:
        """Wait until a job is in a state, and read it."""

        def look() -> dict[str, Any] | None:
            found = self.job(job_id)
            return found if found["state"] == state else None

        return self.eventually(look, f"{job_id} to be {state}", seconds)

    def delivered(self, job_id: str, handler: str, state: str = "done", seconds: float = 20) -> list[dict[str, Any]]:
        """Wait until every delivery of a handler about a job is in a state."""

        def look() -> list[dict[str, Any]] | None:
            found = self.items("/v1/deliveries", job_id=job_id, handler=handler)
            return found if found and all(each["state"] == state for each in found) else None

        return self.eventually(look, f"deliveries of {handler} to be {state}", seconds)

    def eventually(self, look: Callable[[], T | None], what: str, seconds: float = 20) -> T:
        """Look until there is something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds} s for {what}; log:\n{self.log()[-4000:]}")

    def log(self) -> str:
        """What the server wrote."""
        path = self.folder / "serve.log"
        return path.read_text() if path.exists() else ""

    def callback_path(self, url: str) -> str:
        """The path of a callback URL of ours."""
        assert url.startswith(self.url), url
        return url.removeprefix(self.url)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def program(folder: Path, base_urls: Mapping[str, str], port: int) -> Iterator[Program]:
    """A program that is gone at the end, whatever happened."""
    made = Program(folder, base_urls, port)
    try:
        yield made
    finally:
        made.client.close()
        if made.process is not None and made.process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                # what is killed tells no coverage
                made.stop(10) if counting() else made.kill()
            if made.process.poll() is None:
                made.kill()


def _section(name: str, options: Mapping[str, Any]) -> list[str]:
    return [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in options.items())]


def _toml(value: Any) -> str:
    return re.sub(r'"(\w+)": ', r'"\1" = ', json.dumps(value)) if isinstance(value, dict) else json.dumps(value)
