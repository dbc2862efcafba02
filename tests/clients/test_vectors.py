"""The vectors for kits in other languages: current, judged alike by the Python kit and by the public library."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import trunkline_consumer as kit
from standardwebhooks import Webhook

from clients.vectors import make

VERDICTS: dict[type[Exception], str] = {
    kit.BadSecret: "bad-secret",
    kit.MalformedBody: "malformed-body",
    kit.MalformedHeader: "malformed-header",
    kit.MissingHeader: "missing-header",
    kit.NoMatchingSignature: "wrong-signature",
    kit.TimestampTooNew: "too-new",
    kit.TimestampTooOld: "too-old",
}
FILES = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(make.HERE.glob("*.json"))}
EVERY = {
    f"{name[:-5]}: {vector['name']}": {"now": file["now"], "tolerance_s": file["tolerance_s"], **vector}
    for name, file in FILES.items()
    for vector in file["vectors"]
}
# It takes bare base64 for a secret, knows v1 alone, gives up at the first signature that can't be read, leaves what
# is in the body to its caller, and takes a timestamp in whatever digits; between two looks at its clock, an edge passes.
NOT_FOR_THE_LIBRARY = {"bad-secret", "malformed-body"}
NOT_ITS_WAY = {
    "a broken signature beside the right one",
    "a timestamp with a fraction",
    "digits of another script",
    "300 s old",
    "301 s ahead",
}
ITS_OWN = {
    name: vector
    for name, vector in EVERY.items()
    if vector["verdict"] not in NOT_FOR_THE_LIBRARY
    and vector["name"] not in NOT_ITS_WAY
    and all(secret.startswith("whsec_") for secret in vector["secrets"])
}


class AsIfThen(Webhook):
    """The public library, living at the vectors' time: it judges an age that is the same as theirs."""

    def __init__(self, secret: str, now: int) -> None:
        super().__init__(secret)
        self._shift = time.time() - now

    def _Webhook__verify_timestamp(self, header: str) -> datetime:
        super()._Webhook__verify_timestamp(str(float(header) + self._shift))  # type: ignore[misc]
        return datetime.fromtimestamp(int(header), tz=UTC)


def _verdict(vector: dict[str, Any]) -> tuple[str, kit.Delivery | None]:
    try:
        verifier = kit.Verifier(vector["secrets"], tolerance_s=vector["tolerance_s"])
        return "valid", verifier.verify(vector["body"].encode(), vector["headers"], now=vector["now"])
    except kit.WebhookError as refusal:
        return VERDICTS[type(refusal)], None


@pytest.mark.parametrize("vector", EVERY.values(), ids=EVERY)
def test_the_kit_comes_to_the_verdict(vector: dict[str, Any]) -> None:
    verdict, found = _verdict(vector)
    assert verdict == vector["verdict"]
    expected = vector.get("delivery", {})
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("vector", ITS_OWN.values(), ids=ITS_OWN)
def test_the_public_library_agrees(vector: dict[str, Any]) -> None:
    trusted = []
    for secret in vector["secrets"]:
        try:
            trusted.append(AsIfThen(secret, vector["now"]).verify(vector["body"], vector["headers"]))
        # Malformed headers leave it as whatever error came up.
        except Exception:
            continue
    assert bool(trusted) == (vector["verdict"] == "valid")
    assert all(body["data"] == vector["delivery"]["data"] for body in trusted)


@pytest.mark.parametrize("name", make.files())
def test_the_files_are_what_the_script_writes(name: str) -> None:
    written = (make.HERE / name).read_text(encoding="utf-8")
    assert written == make.render(make.files()[name]), "run `python -m clients.vectors.make`"


def test_every_file_is_written_and_told_of() -> None:
    assert set(FILES) == set(make.files())
    told = (make.HERE / "README.md").read_text(encoding="utf-8")
    verdicts = {vector["verdict"] for file in FILES.values() for vector in file["vectors"]}
    assert verdicts == {*VERDICTS.values(), "valid"}
    assert [word for word in (*FILES, *verdicts) if f"`{word}`" not in told] == []
