"""Every verb: importing them registers them. Within a section of the help they stand in the order of these imports."""

from receiver.cli import (
    checking,
    configured,
    demo,
    doctor,
    jobs,
    keeping,
    ordering,
    paying,
    running,
    starting,
    telling,
    watching,
)
from receiver.cli.verb import app

__all__ = [
    "app",
    "checking",
    "configured",
    "demo",
    "doctor",
    "jobs",
    "keeping",
    "ordering",
    "paying",
    "running",
    "starting",
    "telling",
    "watching",
]
