"""What is wrong with a configuration, in sentences: where, what, an example, and the variable that it came from.

Collects: nothing here stops at the first problem. Never repeats a value that was given: it may be a secret.
"""

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from handlers.protocol import Options
from receiver.settings_source import KeyPath, Source, unquoted
from schemas.errors import Problem

M = TypeVar("M", bound=BaseModel)

_SENTENCES = {
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list in brackets",
    "list_type": "must be a list in brackets",
    "dict_type": "must be a section of its own",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}
#: Characters from which on a value is looked for anywhere in a sentence.
_TELLING = 8
#: How pydantic begins what it has to say itself.
_SHOULD = re.compile(r"^\w+ should(?= )")


class Desk:
    """Checks one section after another and notes every problem."""

    def __init__(self, source: Source) -> None:
        """Begin without problems."""
        self.source = source
        self.problems: list[Problem] = []

    def note(self, path: KeyPath, problem: str) -> None:
        """Note a problem, and which variable of the environment it came from."""
        variable = self.source.variable(path)
        self.problems.append(Problem(".".join(path), f"{problem} (set by {variable})" if variable else problem))

    def check(
        self,
        model: type[M],
        data: Mapping[str, Any],
        path: KeyPath = (),
        *,
        examples: Mapping[str, Any] | None = None,
        others: Collection[str] = (),
    ) -> M | None:
        """Read a section as its model; None, with its problems noted, where that fails.

        `examples`: values that would do, by key (else the model's own). `others`: keys that belong there too.
        """
        noted = len(self.problems)
        whole = _unquoted(model, self._with_secrets(model, data, path))
        try:
            checked = model.model_validate(whole)
        except ValidationError as error:
            shown = {**_examples(model), **(examples or {})}
            for found in error.errors(include_url=False):
                at = _place(found, whole)
                if not at or not self._is_noted((*path, *at), noted):
                    self.note((*path, *at), _sentence(found, at, model, others) + _example(found, at, shown))
            return None
        return checked if len(self.problems) == noted else None

    def _is_noted(self, path: KeyPath, since: int) -> bool:
        # one problem a place: the members of a union each complain, and so do secrets that were not found,
        # and a list is not empty because its secrets were not
        place = ".".join(path)
        return any(f"{problem.field}.".startswith(f"{place}.") for problem in self.problems[since:])

    def _with_secrets(self, model: type[BaseModel], data: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        secret = {name for name, field in model.model_fields.items() if _mentions_secret(field.annotation)}
        return {name: self._fetched(value, (*path, name)) if name in secret else value for name, value in data.items()}

    def _fetched(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, list):
            return [self._fetched(each, (*path, str(number))) for number, each in enumerate(value)]
        if isinstance(value, dict):
            try:
                return self.source.secret(value)
            except ValueError as error:
                self.note(path, str(error))
        return value


def _unquoted(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with numbers and truth values for what the environment could only give as text."""
    plain = {name for name, field in model.model_fields.items() if field.annotation in (bool, int)}
    return {name: unquoted(value) if name in plain else value for name, value in data.items()}


def _mentions_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_mentions_secret(part) for part in get_args(annotation))


def _place(found: ErrorDetails, data: Any) -> KeyPath:
    """Where it is in what was written: pydantic's own place also names the members of unions."""
    place: list[str] = []
    for part in found["loc"]:
        inside = isinstance(part, int) and isinstance(data, list) and part < len(data)
        if inside or (isinstance(data, Mapping) and part in data):
            place.append(str(part))
            data = data[part]
        elif found["type"] == "missing":
            place.append(str(part))
    return tuple(place)


def _sentence(found: ErrorDetails, place: KeyPath, model: type[BaseModel], others: Collection[str]) -> str:
    kind = found["type"]
    if kind == "extra_forbidden":
        return _unknown(place[-1], [*model.model_fields, *others])
    if kind in ("literal_error", "enum"):
        return "must be " + str(found["ctx"]["expected"]).replace("'", '"')
    text = _SENTENCES.get(kind) or _SHOULD.sub("must", found["msg"].removeprefix("Value error, "))
    given = found["input"]
    if _is_a_plug_in(model) and isinstance(given, str) and given:
        text = _without(given, text)
    return text[:1].lower() + text[1:]


def _is_a_plug_in(model: type[BaseModel]) -> bool:
    return issubclass(model, Options) and not model.__module__.startswith("handlers.")


def _without(given: str, text: str) -> str:
    """A plug-in's own words may repeat what it was given; a few letters only count as a word of their own."""
    if len(given) >= _TELLING:
        return text.replace(given, "…")
    return re.sub(rf"(?<!\w){re.escape(given)}(?!\w)", "…", text)


def _unknown(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    if close:
        return f"is not a key that is known here; did you mean {close[0]}?"
    return f"is not a key that is known here; known are {', '.join(known)}"


def _examples(model: type[BaseModel]) -> dict[str, Any]:
    return {name: field.examples[0] for name, field in model.model_fields.items() if field.examples}


def _example(found: ErrorDetails, place: KeyPath, examples: Mapping[str, Any]) -> str:
    if found["type"] == "extra_forbidden" or not place or place[0] not in examples or " such as " in found["msg"]:
        return ""
    line = f"{place[0]} = {_toml(examples[place[0]])}"
    return f"; add {line}" if found["type"] == "missing" else f", for example {line}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)
