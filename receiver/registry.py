"""Registry: finds vendors and handler types, in their folders and, for other packages, by entry points.

Listing imports nothing, so that a start pays only for what its configuration names. A built-in vendor is a file of
`schemas/vendors/`, a built-in handler type a file of `handlers/` that assigns `HANDLER`; an entry point in the group
`clipbell.vendors` or `clipbell.handlers` names a module, or the constant in it. One that cannot be used stops the
start: it is never left out in silence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Generic, TypeVar

from handlers.protocol import HandlerType
from schemas.errors import ConfigurationError, Problem
from schemas.vendor import Vendor

T = TypeVar("T", Vendor, HandlerType)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where one comes from: a constant of a module, and words for a person that say which."""

    module: str
    constant: str
    words: str


@dataclass(frozen=True, slots=True)
class Shelf(Generic[T]):
    """All vendors, or all handler types: `package` is listed for modules that assign `constant`."""

    kind: str
    package: str
    constant: str
    type: type[T]
    group: str

    def names(self) -> tuple[str, ...]:
        """Every name there is, sorted; nothing is imported.

        Raises: ConfigurationError where two go by one name.
        """
        return tuple(self._origins())

    def get(self, name: str) -> T:
        """Import one.

        Raises: KeyError where there is none of this name, ConfigurationError where it cannot be used.
        """
        # a file without the constant is named as such to whoever asks for it, though it is not listed
        return self._load(name, {**self._files(), **self._origins()}[name])

    def all(self) -> Mapping[str, T]:
        """Import all of them.

        Raises: ConfigurationError with every one that cannot be used.
        """
        found: dict[str, T] = {}
        problems: list[Problem] = []
        for name, origin in self._origins().items():
            try:
                found[name] = self._load(name, origin)
            except ConfigurationError as error:
                problems += error.problems
        if problems:
            raise ConfigurationError(problems)
        return found

    def _origins(self) -> dict[str, _Origin]:
        found = self._built_in()
        problems = []
        for point in metadata.entry_points(group=self.group):
            words = f"entry point {point.name} of {point.dist.name if point.dist else 'another package'}"
            if point.name in found:
                other = found[point.name].words
                problems.append(Problem(words, f"there is a {self.kind} {point.name} already: {other}; uninstall one"))
            else:
                found[point.name] = _Origin(point.module, point.attr or self.constant, words)
        if problems:
            raise ConfigurationError(problems)
        return dict(sorted(found.items()))

    def _built_in(self) -> dict[str, _Origin]:
        # the folder of handlers also holds what they share; only its text tells them apart without an import
        assigns = re.compile(rf"^{self.constant}\b.*=", re.MULTILINE)
        folder = self._folder()
        return {
            name: origin
            for name, origin in self._files().items()
            if assigns.search((folder / f"{name}.py").read_text("utf-8"))
        }

    def _files(self) -> dict[str, _Origin]:
        shown = self.package.replace(".", "/")
        names = (file.stem for file in self._folder().glob("[!_]*.py"))
        return {name: _Origin(f"{self.package}.{name}", self.constant, f"{shown}/{name}.py") for name in names}

    def _folder(self) -> Path:
        return Path(str(import_module(self.package).__file__)).parent

    def _load(self, name: str, origin: _Origin) -> T:
        try:
            module = import_module(origin.module)
        except Exception as error:  # whatever foreign code raises, it is told as what it is: not importable
            raise _unusable(origin, f"cannot be imported: {type(error).__name__}: {error}") from error
        if not hasattr(module, origin.constant):
            raise _unusable(origin, f"lacks the constant {origin.constant}, which makes it a {self.kind}")
        found = getattr(module, origin.constant)
        if not isinstance(found, self.type):
            raise _unusable(
                origin, f"its {origin.constant} is a {type(found).__name__}; it must be a {self.type.__name__}"
            )
        if found.name != name:
            raise _unusable(origin, f'its {origin.constant} is named "{found.name}"; it must be named "{name}" as here')
        return found


def _unusable(origin: _Origin, problem: str) -> ConfigurationError:
    return ConfigurationError([Problem(origin.words, problem)])


VENDORS = Shelf("vendor", "schemas.vendors", "VENDOR", Vendor, "clipbell.vendors")
HANDLERS = Shelf("handler type", "handlers", "HANDLER", HandlerType, "clipbell.handlers")


def vendor_names() -> tuple[str, ...]:
    """The names of all vendors."""
    return VENDORS.names()


def vendor(name: str) -> Vendor:
    """One vendor, imported now. Raises: KeyError, ConfigurationError."""
    return VENDORS.get(name)


def vendors() -> Mapping[str, Vendor]:
    """All vendors, imported now. Raises: ConfigurationError."""
    return VENDORS.all()


def handler_type_names() -> tuple[str, ...]:
    """The names of all handler types."""
    return HANDLERS.names()


def handler_type(name: str) -> HandlerType:
    """One handler type, imported now. Raises: KeyError, ConfigurationError."""
    return HANDLERS.get(name)


def handler_types() -> Mapping[str, HandlerType]:
    """All handler types, imported now. Raises: ConfigurationError."""
    return HANDLERS.all()
