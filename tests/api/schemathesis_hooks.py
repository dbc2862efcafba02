"""Keeps schemathesis from sawing off the branch it sits on: the key that it calls with is neither revoked nor narrowed.

And from waiting half a minute for each read that may wait so long.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    key = (case.path_parameters or {}).get("key")
    return case.method == "GET" or key != os.environ["TRUNKLINE_TEST_KEY_ID"]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    body = case.body
    wait = body.get("wait") if isinstance(body, dict) else None
    if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 < wait <= 30:
        body["wait"] = 0.01
