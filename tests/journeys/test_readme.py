"""The tour of the README that needs no second program: each command as it stands there, run by a shell against the running hub."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

from tests.architecture.tree import ROOT, text
from tests.journeys.room import Room, wait_until

# What a reader copies from the answer before.
MEMBERS = {"SINK": "id", "URL": "url", "SUB": "id", "EVENT": "id"}


def blocks() -> list[list[str]]:
    """The commands of the section, one a line."""
    section = (
        text(ROOT / "README.md").partition("**Without a receiver.**")[2].partition("**Make it fail.**")[0]
    )
    found = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [block.replace("\\\n", " ").strip().splitlines() for block in found]


class Shell:
    """Types what a reader would, and fills in what an answer said."""

    def __init__(self, room: Room) -> None:
        self.env = {**os.environ, "HUB": f"{room.hub.url}/api/v1", "KEY": room.key}
        self.answer: dict[str, Any] = {}

    def type(self, line: str) -> dict[str, Any]:
        if "…" in line:
            for name in re.findall(r"(\w+)=", line):
                self.env[name] = self.answer[MEMBERS[name]]
            return self.answer
        ran = subprocess.run(["bash", "-c", line], env=self.env, capture_output=True, text=True, timeout=20)
        assert ran.returncode == 0, (line, ran.stderr)
        self.answer = json.loads(ran.stdout)
        assert self.answer.get("status", 0) < 400, (line, ran.stdout)
        return self.answer


def until_it_says(shell: Shell, line: str, found: Any) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer = shell.type(line)
        return answer if found(answer) else None

    return wait_until(look, what=line)


def test_every_command_of_the_tour_does_what_it_says(room: Room) -> None:
    shell = Shell(room)
    first, second = blocks()
    for line in first[:-1]:
        shell.type(line)
    room.subscriptions.append(shell.env["SUB"])
    (got,) = until_it_says(shell, first[-1], lambda answer: answer["data"])["data"]
    assert (got["signature"], json.loads(got["body"])["data"]) == ("verified", {"id": 1})
    for line in second[:-2]:
        shell.type(line)
    listed, requests = second[-2:]
    (delivery,) = until_it_says(
        shell, listed, lambda answer: answer["data"] and answer["data"][0]["state"] == "delivered"
    )["data"]
    assert (delivery["attempts"], delivery["http"]) == (2, 202)
    newest, _ = shell.type(requests)["data"]
    shown = {header["name"]: header["value"] for header in newest["headers"]}
    assert (newest["event"], shown["trunkline-attempt"]) == (shell.env["EVENT"], "2")
    assert sum(line.startswith("curl") for line in (*first, *second)) == 9
