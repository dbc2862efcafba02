"""What a position may be called, and what it may ask for: rules and their sentences. It never touches a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hub.subscriptions.policy import check_channels, check_patterns

PREFIX: Final = "pos_"
# "." and ".." would be taken for a step in a path by whoever builds an address.
NAME: Final = r"^(?!pos_|\.\.?$)[A-Za-z0-9._-]{1,64}$"
_NAME: Final = re.compile(NAME)


def problems(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All that is wrong with `name`, `types` and `channels`, those of them that are there."""
    found = []
    if "name" in values and not (_NAME.match(values["name"]) and not values["name"].endswith("\n")):
        found.append(("name", "must be 1 to 64 of A-Z a-z 0-9 . _ -, not . or .., not beginning with pos_"))
    if "types" in values:
        found += [("types", message) for message in check_patterns(values["types"])]
    if "channels" in values:
        found += [("channels", message) for message in check_channels(values["channels"])]
    return found
