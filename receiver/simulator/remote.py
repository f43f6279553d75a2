"""A small client of the control routes, for tests and the demo. Needs nothing of the simulator but its address."""

from functools import cache
from typing import Any

import httpx

#: What a client trusts. Made once: making it takes longer than many a simulator lives.
trust = cache(httpx.create_ssl_context)


class ControlFailed(RuntimeError):
    """The simulator refused; the text is its answer."""


class Remote:
    """The control routes of a running simulator."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, verify=trust(), timeout=30)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def fault(self, kind: str, vendor: str = "*", **wanted: Any) -> dict[str, Any]:
        """Have something go wrong; `times`, `probability`, `seed`, `prompt` and the kind's own parameters."""
        made: dict[str, Any] = self._call("POST", "faults", {"kind": kind, "vendor": vendor, **wanted})
        return made

    def faults(self) -> list[dict[str, Any]]:
        """List the faults in force."""
        return list(self._call("GET", "faults")["faults"])

    def clear_faults(self) -> None:
        """Remove every fault."""
        self._call("DELETE", "faults")

    def jobs(self, **filters: str) -> list[dict[str, Any]]:
        """List the jobs; `vendor`, `state`, `prompt`."""
        return list(self._call("GET", "jobs", params=filters)["jobs"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Show one job."""
        return dict(self._call("GET", f"jobs/{job_id}"))

    def submissions(self) -> dict[str, Any]:
        """Count the accepted submissions: `by_prompt` and `by_key`, per vendor."""
        return dict(self._call("GET", "jobs")["submissions"])

    def requests(self, vendor: str | None = None) -> list[dict[str, Any]]:
        """List the calls that the vendors had."""
        return list(self._call("GET", "requests", params={"vendor": vendor} if vendor else {})["requests"])

    def books(self) -> dict[str, Any]:
        """Show the accounts, by vendor and key."""
        return dict(self._call("GET", "books"))

    def account(self, vendor: str, key: str, **wanted: Any) -> dict[str, Any]:
        """Set `balance` (a string) or `bad` of an account."""
        return dict(self._call("POST", "accounts", {"vendor": vendor, "key": key, **wanted}))

    def callback(self, job: str, times: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        """Send a job's callback again, so many times at once; also another `state` or `body`."""
        return list(self._call("POST", "callback", {"job": job, "times": times, **wanted})["callbacks"])

    def finish(self, job: str, state: str = "completed", **wanted: Any) -> dict[str, Any]:
        """Bring a job to its verdict now."""
        return dict(self._call("POST", f"jobs/{job}/finish", {"state": state, **wanted}))

    def advance(self, seconds: float) -> None:
        """Move the simulator's time forward."""
        self._call("POST", "clock", {"advance": seconds})

    def reset(self) -> None:
        """Begin anew."""
        self._call("POST", "reset", {})

    def _call(self, method: str, what: str, body: Any = None, params: dict[str, str] | None = None) -> Any:
        answer = self._client.request(method, f"/control/{what}", json=body, params=params)
        if answer.is_error:
            raise ControlFailed(answer.text)
        return answer.json()
