"""Values: the small immutable objects that everything is said in, and how to have one with other fields.

Those that every callback makes by the dozen are structs of msgspec, which are made many times faster than frozen
dataclasses. The others are dataclasses.
"""

import dataclasses
from typing import Any, TypeVar, cast

import msgspec

Value = TypeVar("Value")


def replace(value: Value, **changes: Any) -> Value:
    """The same value with other fields. Raises: TypeError where it has no field of such a name."""
    if isinstance(value, msgspec.Struct):
        return cast(Value, msgspec.structs.replace(value, **changes))
    return cast(Value, dataclasses.replace(cast(Any, value), **changes))
