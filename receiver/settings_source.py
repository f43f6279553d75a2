"""Where settings come from: one TOML file, and environment variables laid over it. Knows no key and checks no value.

`CLIPBELL_` + a key's path in capitals joined by `__`; lists and tables as JSON. The variables that platforms set,
`DATABASE_URL` and `PORT`, go before the file and after a `CLIPBELL_` variable for the same key.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import ConfigurationError, Problem

PREFIX = "CLIPBELL_"
FILE_VARIABLE = "CLIPBELL_CONFIG"
#: Variables with our prefix that are no settings.
NO_SETTINGS = frozenset({FILE_VARIABLE, "CLIPBELL_DEBUG"})
DEFAULT_FILE = "clipbell.toml"

#: The way to a key: ("vendors", "vrex", "api_key").
KeyPath = tuple[str, ...]


class Text(str):
    """A value out of the environment: a number or a truth value is still to be read out of it."""

    __slots__ = ()


def unquoted(value: Any) -> Any:
    """A number or a truth value that the environment could only give as text."""
    if not isinstance(value, Text):
        return value
    try:
        return json.loads(value.lower())
    except ValueError:
        return value


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that was configured, as it was written. `variables`: which keys came from the environment."""

    data: Mapping[str, Any]
    #: Relative paths in the configuration begin here.
    folder: Path
    environ: Mapping[str, str]
    variables: Mapping[KeyPath, str]
    #: The file that nobody named and that is not there.
    absent: Path | None = None

    def table(self, name: str) -> Mapping[str, Any]:
        """A section; empty where it is absent or no table (which is for the check of its key to say)."""
        found = self.data.get(name)
        return found if isinstance(found, dict) else {}

    def variable(self, path: KeyPath) -> str | None:
        """The variable that set a key, or the list or table around it."""
        starts = (path[:length] for length in range(len(path), 0, -1))
        return next((self.variables[start] for start in starts if start in self.variables), None)

    def secret(self, given: Mapping[str, Any]) -> str:
        """Fetch what `{file = "…"}` or `{env = "…"}` stands for, without the line's end.

        Raises: ValueError.
        """
        match given:
            case {"env": str(name), **rest} if not rest:
                if name not in self.environ:
                    raise ValueError(f"is to come from the environment variable {name}, which is not set")
                return self.environ[name]
            case {"file": str(name), **rest} if not rest:
                return _read_secret(self.folder / name)
        raise ValueError('must be text, {file = "…"} or {env = "…"}')


def read_source(path: Path | None, environ: Mapping[str, str]) -> Source:
    """Read the file (`path`, else `CLIPBELL_CONFIG`, else clipbell.toml here) and lay the environment over it.

    A file that nobody named may be absent where the environment holds settings.
    Raises: ConfigurationError for a file that cannot be used.
    """
    named = path or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    file = (named or Path(DEFAULT_FILE)).absolute()
    settings = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name not in NO_SETTINGS}
    is_absent = not named and bool(settings) and not file.exists()
    data = {} if is_absent else _read_file(file)
    variables = _lay_over(data, [*_platform(environ), *_ours(settings)])
    return Source(data, file.parent, environ, variables, file if is_absent else None)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        problem = "does not exist; write it with `clipbell init`, or name another one with --config FILE"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        problem = f'is not valid TOML: {error}; text stands in quotes, for example listen = "127.0.0.1:8000"'
    raise ConfigurationError([Problem(str(file), problem)])


def _read_secret(file: Path) -> str:
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"is to come from the file {file}, which cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # its words would show the bytes
        raise ValueError(f"is to come from the file {file}, which is not UTF-8 text") from None


def _platform(environ: Mapping[str, str]) -> list[tuple[Sequence[str], Any, str]]:
    found: list[tuple[Sequence[str], Any, str]] = []
    if environ.get("DATABASE_URL"):
        found.append((["database_url"], Text(environ["DATABASE_URL"]), "DATABASE_URL"))
    if environ.get("PORT"):
        found.append((["listen"], Text(f"0.0.0.0:{environ['PORT']}"), "PORT"))
    return found


def _ours(settings: Mapping[str, str]) -> list[tuple[Sequence[str], Any, str]]:
    found = [(name.removeprefix(PREFIX).split("__"), _value(text), name) for name, text in sorted(settings.items())]
    # a table before its keys, whatever their names
    return sorted(found, key=lambda each: len(each[0]))


def _value(text: str) -> Any:
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            pass
    return Text(text)


def _lay_over(data: dict[str, Any], values: Sequence[tuple[Sequence[str], Any, str]]) -> dict[KeyPath, str]:
    variables: dict[KeyPath, str] = {}
    for parts, value, variable in values:
        table, path = data, []
        for part in parts[:-1]:
            path.append(_key(table, part))
            if not isinstance(table.get(path[-1]), dict):
                table[path[-1]] = {}
            table = table[path[-1]]
        path.append(_key(table, parts[-1]))
        table[path[-1]] = value
        variables[tuple(path)] = variable
    return variables


def _key(table: Mapping[str, Any], part: str) -> str:
    # variable names know neither small letters nor hyphens
    plain = part.lower().replace("-", "_")
    return next((key for key in table if key.lower().replace("-", "_") == plain), part.lower())
