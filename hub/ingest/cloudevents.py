"""CloudEvents 1.0 over HTTP: structured, batched and binary content modes become the hub's own form. Pure.

Source: the CloudEvents specification 1.0.2, its JSON event format and its HTTP protocol binding.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec
import orjson

from hub.core.problems import ProblemError, problem
from hub.ingest.parse import EventIn, bad_json, check, invalid

STRUCTURED = b"application/cloudevents+json"
BATCHED = b"application/cloudevents-batch+json"

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_scalar = msgspec.json.Decoder(str | int | bool)
_CORE = {
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
}


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The hub's event, the W3C traceparent if one came as an extension, and further extensions as JSON text."""

    event: EventIn
    traceparent: str | None
    extensions: str | None


def is_binary(headers: Mapping[bytes, bytes]) -> bool:
    return b"ce-specversion" in headers


def structured(raw: bytes | msgspec.Raw) -> CloudEvent:
    """One event in the JSON format. Raises ProblemError naming the attribute."""
    try:
        members = _object.decode(raw)
    except msgspec.ValidationError:
        raise invalid("", "a CloudEvent in JSON is an object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_json(error) from None
    attributes: dict[str, Any] = {}
    for name, value in members.items():
        if name in ("data", "data_base64"):
            continue
        try:
            attributes[name] = (_text if name in _CORE else _scalar).decode(value)
        except msgspec.ValidationError:
            if bytes(value) == b"null":
                continue
            raise invalid(
                f"/{name}", f"{name} must be a text (extensions also integer or boolean)."
            ) from None
    if "data" in members and "data_base64" in members:
        raise invalid("/data_base64", "an event has data or data_base64, not both.")
    data = bytes(members.get("data", b"null"))
    if "data_base64" in members:
        try:
            data = b64decode(_text.decode(members["data_base64"]), validate=True)
        except (msgspec.ValidationError, Base64Error, ValueError):
            raise invalid("/data_base64", "data_base64 is no base64 text.") from None
        _must_be_json(attributes.get("datacontenttype", "application/json"))
        data = _json(data)
    return _event(attributes, data)


def binary(headers: Mapping[bytes, bytes], body: bytes) -> CloudEvent:
    """Attributes in `ce-` headers, data in the body."""
    attributes = {}
    for name, value in headers.items():
        if name.startswith(b"ce-"):
            try:
                attributes[name[3:].decode("ascii")] = unquote(value.decode("ascii"), errors="strict")
            except UnicodeDecodeError:
                shown = name.decode("latin-1")
                raise invalid(f"/{shown}", f"the header {shown} must be percent-encoded UTF-8.") from None
    content_type = headers.get(b"content-type", b"application/json").decode("latin-1")
    if body:
        _must_be_json(content_type)
    return _event(attributes, _json(body) if body else b"null")


def _must_be_json(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if not (kind.endswith(("/json", "+json"))):
        raise ProblemError(
            problem("unsupported-media-type", f"data of type {kind} can't be delivered; send JSON.")
        )


def _json(data: bytes) -> bytes:
    try:
        return bytes(msgspec.json.decode(data, type=msgspec.Raw))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_json(error) from None


def _event(attributes: dict[str, Any], data: bytes) -> CloudEvent:
    if attributes.get("specversion") != "1.0":
        raise invalid("/specversion", f"specversion must be 1.0, not {attributes.get('specversion')!r}.")
    for name in ("id", "source", "type"):
        if not attributes.get(name):
            raise invalid(f"/{name}", f"a CloudEvent needs {name}.")
    time = None
    if "time" in attributes:
        try:
            time = datetime.fromisoformat(attributes["time"])
        except ValueError:
            raise invalid("/time", f"{attributes['time']!r} is no RFC 3339 time.") from None
    event = EventIn(
        type=attributes["type"],
        data=msgspec.Raw(data),
        id=attributes["id"],
        source=attributes["source"],
        subject=attributes.get("subject"),
        time=time,
        consumer=attributes.get("trunklineconsumer"),
    )
    check(event)
    known = _CORE | {"trunklineconsumer", "traceparent", "tracestate"}
    if "dataschema" in attributes:
        known -= {"dataschema"}
    further = {name: value for name, value in attributes.items() if name not in known}
    for name, value in further.items():
        if len(name) > 64 or (isinstance(value, str) and (len(value) > 1024 or not value.isprintable())):
            raise invalid(f"/{name}", f"the extension {name[:64]} is too long or has control characters.")
    traceparent = attributes.get("traceparent")
    return CloudEvent(
        event,
        traceparent if isinstance(traceparent, str) else None,
        orjson.dumps(further, option=orjson.OPT_SORT_KEYS).decode() if further else None,
    )
