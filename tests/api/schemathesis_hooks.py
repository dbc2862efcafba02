"""Keeps schemathesis from sawing off the branch it sits on: the key that it calls with is neither revoked nor narrowed."""

from __future__ import annotations

import os
from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    key = (case.path_parameters or {}).get("key")
    return case.method == "GET" or key != os.environ["TRUNKLINE_TEST_KEY_ID"]
