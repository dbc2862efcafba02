"""Serializers and fields that take JSON at its word: no "12" for 12, no unknown members.

They judge shape, services judge sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from hub.core.problems import ProblemError, closest, problem


class Strict(serializers.Serializer[Any]):
    """Refuses members it does not know, naming the one that was probably meant."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [name for name, field in self.fields.items() if not field.read_only]
            if errors := [_unknown(name, known) for name in data if name not in known]:
                raise ProblemError(
                    problem(
                        "unknown-parameter", "; ".join(e["detail"] for e in errors[:3]), errors=errors[:20]
                    )
                )
        return super().to_internal_value(data)


def _unknown(name: str, known: list[str]) -> dict[str, str]:
    meant = closest(name, known)
    hint = f"did you mean {meant}?" if meant else f"known are {', '.join(known) or 'none'}"
    return {"pointer": f"/{name[:100]}", "detail": f"{name[:100]!r} is not known here: {hint}"}


class Text(serializers.CharField):
    """A JSON string, kept as it is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Line(Text):
    """A string of at most 200 characters without control characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 200, "allow_blank": True, **kwargs})
        self.validators.append(
            RegexValidator(r"^[^\u0000-\u001f\u007f-\u009f]+\Z", "must not have control characters")
        )


class Whole(serializers.IntegerField):
    """A JSON number without a fraction."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float) or data != data // 1:
            self.fail("invalid")
        return super().to_internal_value(int(data))


class Number(serializers.FloatField):
    """A JSON number."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Choice(serializers.ChoiceField):
    """One of some strings."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        chosen: str = super().to_internal_value(data)
        return chosen


class Moment(serializers.DateTimeField):
    """RFC 3339 text with its offset."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            self.fail("invalid", format="RFC 3339, such as 2026-01-31T12:00:00Z")
        return super().to_internal_value(value)


class Object(serializers.DictField):
    """A JSON object of any content."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        return data


def pattern(regex: str, message: str) -> RegexValidator:
    """A rule that the OpenAPI document shows as well."""
    return RegexValidator(regex, message)


class Nothing(Strict):
    """The body of a request that takes no members."""


class Items(serializers.ListField):
    """A JSON array; `unique` refuses the same item twice."""

    def __init__(self, *, unique: bool = False, **kwargs: Any) -> None:
        self.unique = unique
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        values = super().to_internal_value(data)
        if self.unique and len(set(values)) < len(values):
            raise serializers.ValidationError("must not name anything twice")
        return values


class Headers(serializers.DictField):
    """Header names and their values, both text."""

    child = Text(allow_blank=True, max_length=4096)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        return super().to_internal_value(data)


class Email(serializers.EmailField):
    """An email address."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)
