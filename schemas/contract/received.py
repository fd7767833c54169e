"""Parse what another process sent. It may be of a later version, or no message at all."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

MOST_BYTES = 8 * 2**20
LONGEST_REASON = 200

M = TypeVar("M", bound=BaseModel)


class UnreadableError(ValueError):
    """A body that is not what its place holds; the message is the reason, in one printable line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason.encode("unicode_escape").decode()[:LONGEST_REASON])


def received(kind: type[M], body: bytes, most_bytes: int = MOST_BYTES) -> M:
    """The value that JSON `body` holds; UnreadableError if it holds none.

    Fields that `kind` does not have are passed over, also in nested values: a later version may send them.
    """
    if len(body) > most_bytes:
        raise UnreadableError(f"longer than {most_bytes} bytes")
    try:
        return kind.model_validate_json(body, extra="ignore")
    except ValidationError as error:
        raise UnreadableError(first_fault(error)) from None


def first_fault(error: ValidationError) -> str:
    """The first field that is wrong, and how."""
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else "no JSON object"
