"""The examples of docs/pull.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from typing import IO

from tests.embedded import ROOT
from tests.journeys.room import Room, wait_until

PAPER = (ROOT / "docs" / "pull.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", PAPER, re.M | re.S)
SHELL = re.findall(r"^```sh\n(.*?)^```", PAPER, re.M | re.S)


def surroundings(room: Room) -> dict[str, str]:
    return {**os.environ, "HUB": f"{room.hub.url}/api/v1", "KEY": room.key, "PYTHONUNBUFFERED": "1"}


def test_the_program_prints_what_it_is_sent_and_goes_on_after_its_end(room: Room) -> None:
    (program,) = PYTHON
    for number in range(2):
        said: list[str] = []
        process = subprocess.Popen(
            [sys.executable, "-c", program], env=surroundings(room), stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        listener = threading.Thread(target=listen, args=[process.stdout, said])
        listener.start()
        try:
            wait_until(lambda: room.api.get("/consumption/ledger").status_code == 200)
            room.post("user.made")
            room.post("order.made", {"n": number})
            wait_until(lambda: said == [f"order.made {{'n': {number}}}"], what=f"the event {number}")  # noqa: B023
            wait_until(lambda: room.api.get("/consumption/ledger").json()["backlog"]["events"] == 0)
        finally:
            process.kill()
            process.wait()
            listener.join(10)
            process.stdout.close()


def listen(stream: IO[str], said: list[str]) -> None:
    said.extend(line.rstrip() for line in stream)


def test_every_call_of_the_tour_is_answered(room: Room) -> None:
    room.post("order.made", {"id": 1})
    lease = ""
    answers = []
    for block in SHELL:
        script = block.replace("lse_…", lease).replace(
            "curl ", "curl --silent --show-error --fail-with-body "
        )
        ran = subprocess.run(
            ["sh", "-ec", script],
            env=surroundings(room),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ran.returncode == 0, (script, ran.stdout, ran.stderr)
        answers.append(ran.stdout)
        if '"lease":"' in ran.stdout and not lease:
            lease = json.loads(ran.stdout)["lease"]
    assert len(answers) == 4
    assert '"name":"reports"' in answers[0]
    assert [event["data"] for event in json.loads(answers[1])["events"]] == [{"id": 1}]
    assert json.loads(answers[2])["status"] == "acked"
    assert '"types":["*"]' in answers[3]
    assert room.api.get("/consumption/reports").status_code == 404
