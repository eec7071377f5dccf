"""Reading what a request says: its JSON body, its page, whole numbers in its query."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from simulator.calls import Call
from simulator.errors import rejection
from simulator.model.bodies import PAGE_NUMBER_MAX, PAGE_SIZE_MAX
from simulator.model.rejection import Rejection
from simulator.model.shapes import Check

PAGE_SIZE = 25

_decode = msgspec.json.Decoder().decode


class NotJson(Exception):
    """A body that is no JSON, or nested too deep to be read."""


class Page(NamedTuple):
    """Which part of a listing is asked for."""

    size: int
    number: int

    def of(self, listed: list[Any]) -> list[Any]:
        start = (self.number - 1) * self.size
        return listed[start : start + self.size]

    def listing(self, entities: object, total: int) -> dict[str, object]:
        """The members that every paged listing has."""
        return {
            "entities": entities,
            "pageSize": self.size,
            "pageNumber": self.number,
            "pageCount": -(-total // self.size),
            "total": total,
        }


def json_of(call: Call) -> object:
    """The body, decoded; raises `NotJson`, or `Rejection` where it claims to be something else."""
    content_type = call.headers.get(b"content-type")
    if content_type is not None:
        media_type = content_type.partition(b";")[0].strip().lower()
        if media_type != b"application/json":
            raise rejection("unsupported.media.type")
    try:
        return _decode(call.body)
    except (ValueError, RecursionError):
        raise NotJson from None


def body_of(call: Call, check: Check) -> Any:
    """The body of a public operation, checked; raises `Rejection`."""
    try:
        body = json_of(call)
    except NotJson:
        raise rejection("bad.request") from None
    check(body)
    return body


def page_of(call: Call) -> Page:
    """`?pageSize=25&pageNumber=1`; raises `Rejection`."""
    parameters = call.parameters
    return Page(
        _whole_number(parameters, "pageSize", PAGE_SIZE, PAGE_SIZE_MAX),
        _whole_number(parameters, "pageNumber", 1, PAGE_NUMBER_MAX),
    )


def flag_of(call: Call, name: str) -> bool:
    """A query parameter that is `true` or `false`, or absent for false; raises `Rejection`."""
    if not call.query:
        return False
    value = call.parameters.get(name, "false")
    if value not in ("true", "false"):
        raise _wrong_parameter(name, value, "true, false")
    return value == "true"


def _whole_number(parameters: dict[str, str], name: str, default: int, highest: int) -> int:
    value = parameters.get(name)
    if value is None:
        return default
    if value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= highest:
        return int(value)
    raise _wrong_parameter(name, value, f"1 to {highest}")


def _wrong_parameter(name: str, value: str, allowable: str) -> Rejection:
    refused = rejection("invalid.query.param.value", value, name, allowable)
    refused.params = {"value": value, "parameter": name, "allowableValues": allowable}
    return refused
