"""Registry: finds vendors and handler types, in their folders and, for other packages, by entry points.

Listing imports nothing, so that a start pays only for what its configuration names. A built-in vendor is a file of
`schemas/vendors/`, a built-in handler type a file of `handlers/` that assigns `HANDLER`; an entry point in the group
`clipbell.vendors` or `clipbell.handlers` names a module, or the constant in it. One that cannot be used stops the
start, also where no configuration names it: it is never left out in silence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from operator import attrgetter
from pathlib import Path
from typing import Generic, TypeVar

from handlers.protocol import HandlerType
from schemas.errors import ConfigurationError, Problem
from schemas.vendor import Vendor

T = TypeVar("T", Vendor, HandlerType)
#: What an entry point may name: a module, and behind a colon the constant in it.
_WHERE = re.compile(r"(?P<module>[A-Za-z_][\w.]*)\s*(?::\s*(?P<constant>[A-Za-z_][\w.]*))?")
_NAME = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where one comes from: a constant of a module, and words for a person that say which."""

    module: str
    constant: str
    words: str
    is_foreign: bool = False


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
        return self._loaded(self._origins())

    def plug_ins(self) -> Mapping[str, T]:
        """Import those of other packages.

        Raises: ConfigurationError with every one that cannot be used.
        """
        return self._loaded({name: origin for name, origin in self._origins().items() if origin.is_foreign})

    def _loaded(self, origins: Mapping[str, "_Origin"]) -> Mapping[str, T]:
        found: dict[str, T] = {}
        problems: list[Problem] = []
        for name, origin in origins.items():
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
            where = _WHERE.fullmatch(point.value.strip())
            if point.name in found:
                other = found[point.name].words
                problems.append(Problem(words, f"there is a {self.kind} {point.name} already: {other}; uninstall one"))
            elif not _NAME.fullmatch(point.name):
                problems.append(Problem(words, "must be named with a-z, 0-9, _ and - only; rename it in its package"))
            elif where is None:
                example = f"my_package:{self.constant}"
                problem = f'leads to "{point.value}", which is no module:CONSTANT; write one such as {example}'
                problems.append(Problem(words, problem))
            else:
                found[point.name] = _Origin(where["module"], where["constant"] or self.constant, words, is_foreign=True)
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
        found = _constant(origin, self.kind)
        if not isinstance(found, self.type):
            raise _unusable(
                origin, f"its {origin.constant} is a {type(found).__name__}; it must be a {self.type.__name__}"
            )
        if found.name != name:
            raise _unusable(origin, f'its {origin.constant} is named "{found.name}"; it must be named "{name}" as here')
        return found


def _constant(origin: _Origin, kind: str) -> object:
    try:
        module = import_module(origin.module)
    except (Exception, SystemExit) as error:  # whatever foreign code raises, it is told as what it is: not importable
        raise _unusable(origin, _why_not(origin, error)) from error
    try:
        return attrgetter(origin.constant)(module)
    except AttributeError:
        raise _unusable(origin, f"lacks the constant {origin.constant}, which makes it a {kind}; define it") from None


def _why_not(origin: _Origin, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        if origin.module == error.name or origin.module.startswith(f"{error.name}."):
            return f"its module {origin.module} does not exist; mend the entry point, or install its package again"
        return f"needs the module {error.name}, which is not installed; install what it depends on, or uninstall it"
    said = (str(error).strip().splitlines() or [""])[0]
    cause = "it ends the program" if isinstance(error, SystemExit) else f"{type(error).__name__}: {said}".rstrip(": ")
    return f"cannot be imported: {cause}; mend or uninstall it"


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


def check_plug_ins() -> None:
    """Import the vendors and handler types of every other package that is installed.

    Raises: ConfigurationError with every one that cannot be used.
    """
    problems: list[Problem] = []
    for shelf in (VENDORS, HANDLERS):
        try:
            shelf.plug_ins()
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)


def loaded(where: str) -> Vendor | HandlerType:
    """The vendor or handler type at `module:CONSTANT`, installed or not. Raises: ConfigurationError."""
    found = _WHERE.fullmatch(where)
    if found is None:
        raise ConfigurationError([Problem(where, "is no module:CONSTANT; write one such as my_package:HANDLER")])
    origin = _Origin(found["module"], found["constant"] or "HANDLER", where)
    thing = _constant(origin, "handler type or vendor")
    if not isinstance(thing, Vendor | HandlerType):
        raise _unusable(origin, f"is of type {type(thing).__name__}; it must be a HandlerType or a Vendor")
    return thing
