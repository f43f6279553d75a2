"""Configurations for tests: a file with all that is required, to which a test adds its own lines."""

from collections.abc import Mapping
from pathlib import Path

from receiver.settings import Settings, load
from schemas.errors import ConfigurationError

SECRET_KEY, API_TOKEN, API_KEY = "secret-key-" * 4, "api-token-" * 3, "sk-vendor-key"
TOP = f'secret_keys = ["{SECRET_KEY}"]\napi_token = "{API_TOKEN}"\n'
VREX = f'\n[vendors.vrex]\napi_key = "{API_KEY}"\n'
TEAM = '\n[handlers.team]\ntype = "slack"\nurl = "https://hooks.slack.com/services/T7/B8/secret"\n'


def configured(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """Write `clipbell.toml` into a folder and load it."""
    file = folder / "clipbell.toml"
    file.write_text(text, "utf-8")
    return load(file, environ or {})


def complaints(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What a user would read, line by line; nothing where the configuration is fine."""
    try:
        configured(folder, text, environ)
    except ConfigurationError as error:
        return str(error).splitlines()
    return []
