"""What becomes of a value that somebody sends in a field of a type."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError


def parse(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def refused(kind: Any, value: object) -> str:
    """What is said to whoever sends the value."""
    with pytest.raises(ValidationError) as caught:
        parse(kind, value)
    return str(caught.value.errors()[0]["msg"])
