"""The simulator's control routes, for tests."""

from typing import Any

import httpx

from receiver.simulator import RunningSimulator


def plant(vendors: RunningSimulator, **fault: Any) -> None:
    """Put a fault into force: `kind`, `vendor` (else all), `times` (else once), and its parameters."""
    answer = httpx.post(f"{vendors.url}/control/faults", json=fault, trust_env=False, verify=False)
    assert answer.status_code == 201, answer.text


def control(vendors: RunningSimulator, path: str) -> Any:
    """Read what the simulator knows: `jobs`, `books`, `requests`."""
    return httpx.get(f"{vendors.url}/control/{path}", trust_env=False, verify=False).json()


def command(vendors: RunningSimulator, path: str, **body: Any) -> Any:
    """Have the simulator do something: `callback`, `clock`, `reset`."""
    answer = httpx.post(f"{vendors.url}/control/{path}", json=body, trust_env=False, verify=False, timeout=60)
    assert answer.status_code < 300, answer.text
    return answer.json()
