"""What a handler type says of itself and how it refuses its options: the part of its contract that needs no server.

Each check raises `Broken` with a sentence for the handler's author; its docstring says why the promise matters.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import BaseModel, SecretStr, ValidationError

from receiver.suite.promises import Broken, hold, said_of, shown
from receiver.suite.stage import Trial
from schemas.event import EventType

SECRET_NAMES = ("url", "urls", "secret", "password", "token", "key")


def its_example_is_accepted_and_has_targets(trial: Trial) -> None:
    """The example stands in error messages, and this suite works with it."""
    kind = trial.kind
    try:
        options = kind.options.model_validate(kind.example)
    except ValidationError as error:
        raise Broken(f"its own example is refused: {said_of(error)} …: {_first(error)}") from error
    targets = kind.targets(options)
    hold(bool(targets), "targets() names none for the example; a handler with a single target has the default")
    hold(len(set(targets)) == len(targets), f"targets() names one twice: {shown(targets)}")
    hold(all(isinstance(each, str) for each in targets), f"targets() must answer texts, not {shown(targets)}")


def it_is_told_of_something_and_has_sound_limits(trial: Trial) -> None:
    """These go into the configuration where the operator says nothing."""
    kind = trial.kind
    hold(bool(kind.events) and set(kind.events) <= set(EventType), "events must name one EventType or more")
    hold(kind.max_batch >= 1, f"max_batch is {kind.max_batch}; it must be 1 or more")
    hold(kind.concurrency >= 1, f"concurrency is {kind.concurrency}; it must be 1 or more")
    hold(0 < kind.timeout <= 7200, f"timeout is {kind.timeout} s; it must be more than nothing and at most two hours")


def a_missing_option_is_named(trial: Trial) -> None:
    """An operator who forgot an option must read its name at the start, not find a handler that fails at night."""
    for name in _required(trial):
        rest = {key: value for key, value in trial.kind.example.items() if key != name}
        try:
            trial.kind.options.model_validate(rest)
        except ValidationError as error:
            found = [problem["loc"] for problem in error.errors(include_input=False)]
            hold(found == [(name,)], f"without the option {name} the error names {shown(found)} instead")
        else:
            raise Broken(f"without the option {name}, which is required, its options are accepted")


def its_required_options_are_enough_to_make_it(trial: Trial) -> None:
    """What make() cannot do without must be declared as required, so that the start refuses its absence by name."""
    fewest = {name: trial.kind.example[name] for name in _required(trial) if name in trial.kind.example}
    try:
        options = trial.kind.options.model_validate(fewest)
        replace(trial, case=replace(trial.case, options=lambda _: fewest)).make()
    except Exception as error:
        problem = f"with only its required options ({', '.join(fewest) or 'none'}) it cannot be made: {said_of(error)}"
        raise Broken(f"{problem}; declare the option that is missing without a default") from error
    hold(bool(trial.kind.targets(options)), "with only its required options it has no target: require what names one")


def an_unknown_option_is_refused_by_name(trial: Trial) -> None:
    """A misspelt option must not be overlooked."""
    try:
        trial.kind.options.model_validate({**trial.kind.example, "colour": "red"})
    except ValidationError as error:
        found = [(each["loc"], each["type"]) for each in error.errors(include_input=False)]
        hold(found == [(("colour",), "extra_forbidden")], f"an unknown option `colour` is refused as {shown(found)}")
    else:
        raise Broken("an unknown option `colour` is accepted; build the options on handlers.protocol.Options")


def its_options_are_frozen_and_say_what_they_are(trial: Trial) -> None:
    """They are shared by several threads; their docstring is their documentation."""
    options = trial.kind.options
    hold(
        bool(options.model_config.get("frozen")), "its options can be changed; build them on handlers.protocol.Options"
    )
    described = options.__doc__ and options.__doc__ != BaseModel.__doc__
    hold(bool(described), f"{options.__name__} has no docstring; say in it what each option is")


def its_refusals_of_options_tell_no_secret(trial: Trial) -> None:
    """What is wrong with an option is printed at the start."""
    fields = trial.kind.options.model_fields
    wrong = {**dict.fromkeys(fields, "wrong://Tr0ub4dor-hunter2"), "colour": "red"}
    try:
        trial.kind.options.model_validate(wrong)
    except ValidationError as error:
        for found in error.errors(include_input=False):
            name = found["loc"][0]
            if name in fields and "SecretStr" in str(fields[str(name)].annotation):
                hold("hunter2" not in found["msg"], f"the refusal of {name} repeats the value: {found['type']}")


def what_is_secret_is_declared_so(trial: Trial) -> None:
    """A SecretStr prints as asterisks, wherever it gets to."""
    open_ones = [name for name, is_secret in named_like_secrets(trial) if not is_secret]
    hold(not open_ones, f"declare as SecretStr: {', '.join(open_ones)}")


def _required(trial: Trial) -> list[str]:
    return [name for name, field in trial.kind.options.model_fields.items() if field.is_required()]


def _first(error: ValidationError) -> str:
    found = error.errors(include_input=False)[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


def named_like_secrets(trial: Trial) -> Iterator[tuple[str, bool]]:
    """The options whose names promise a secret, and whether each is declared as one."""
    for name, value in trial.kind.options.model_validate(trial.kind.example):
        if name.endswith(SECRET_NAMES) and value is not None:
            held = value if isinstance(value, tuple | list) else (value,)
            yield name, all(isinstance(one, SecretStr) for one in held)
