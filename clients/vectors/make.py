"""Writes the vectors beside it: `python -m clients.vectors.make`. Fixed secrets and times, so always the same bytes.

Signatures are made by the hub's own signer; the tests hold them against the Python kit and the public library.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from hub.core.signing import Signer
from hub.core.signing_secrets import parse_secret, public_of
from hub.eventlog.envelope import body as envelope

HERE = Path(__file__).parent
NOW = 1_767_268_800
ID = "msg_01kdx2m8r0e9v8x1g6x1r4w7tb"


def _raw(label: str) -> str:
    return b64encode(hashlib.sha256(f"trunkline vectors: {label}".encode()).digest()).decode()


CURRENT, OLD, FOREIGN = (f"whsec_{_raw(label)}" for label in ("current", "old", "foreign"))
PRIVATE, OTHER_PRIVATE = (f"whsk_{_raw(label)}" for label in ("private", "other private"))
PUBLIC, OTHER_PUBLIC = (public_of(parse_secret(text)) for text in (PRIVATE, OTHER_PRIVATE))
BODY = envelope(
    text_id="evt_01kdx2m8qzf0c7y2k5s8d3h9pa", type="order.created", timestamp=NOW - 2.5, subject="order-1",
    data='{"id":1,"total":19.99,"name":"Zoë"}'.encode(),
)  # fmt: skip


def vector(
    name: str,
    verdict: str,
    *,
    secrets: tuple[str, ...] = (CURRENT,),
    signed_by: tuple[str, ...] = (CURRENT,),
    stamp: int = NOW,
    body: bytes = BODY,
    changed: dict[str, str | None] | None = None,
    sent: bytes | None = None,
) -> dict[str, Any]:
    """`changed`: headers set otherwise after signing, None = left out. `sent`: another body than was signed."""
    headers: dict[str, str | None] = {
        "webhook-id": ID,
        "webhook-timestamp": str(stamp),
        "webhook-signature": Signer(signed_by).sign(ID, stamp, body).decode(),
        "trunkline-attempt": "1",
    }
    headers |= changed or {}
    made = {
        "name": name,
        "secrets": list(secrets),
        "headers": {header: value for header, value in headers.items() if value is not None},
        "body": (body if sent is None else sent).decode(),
        "verdict": verdict,
    }
    if verdict == "valid":
        member = json.loads(body)
        made["delivery"] = {
            "id": ID,
            "timestamp": stamp,
            "event": member["id"],
            "type": member["type"],
            "data": member["data"],
            "attempt": int(headers["trunkline-attempt"] or 1),
            "run": int(headers.get("trunkline-run") or 0),
        }
    return made


def _signature(*secrets: str) -> str:
    return Signer(secrets).sign(ID, NOW, BODY).decode()


def files() -> dict[str, list[dict[str, Any]]]:
    """File name, then its vectors."""
    right, plain = _signature(CURRENT), json.dumps({"hello": "world"}).encode()
    nested = b'{"id":"evt_1","type":"a.b","timestamp":"2026-01-01T12:00:00.000000Z","data":' + b"[" * 10_000
    return {
        "v1.json": [
            vector("signed by the one secret", "valid"),
            vector("a later try of a requeued run", "valid", changed={"trunkline-attempt": "3", "trunkline-run": "41"}),
            vector("a secret without base64 padding", "valid", secrets=(CURRENT.rstrip("="),)),
            vector("an unknown version beside the right one", "valid", changed={"webhook-signature": f"v2,AAAA {right}"}),
            vector("signed by a foreign secret", "wrong-signature", signed_by=(FOREIGN,)),
            vector("the body was changed", "wrong-signature", sent=BODY.replace(b"19.99", b"91.99")),
            vector("the body was formatted anew", "wrong-signature", sent=json.dumps(json.loads(BODY)).encode()),
            vector("the id was changed", "wrong-signature", changed={"webhook-id": ID[:-1] + "a"}),
            vector("the timestamp was changed", "wrong-signature", changed={"webhook-timestamp": str(NOW + 1)}),
            vector("the right bytes under an unknown version", "wrong-signature", changed={"webhook-signature": right.replace("v1", "v2")}),
            vector("the right bytes as an ed25519 signature", "wrong-signature", changed={"webhook-signature": right.replace("v1", "v1a")}),
            vector("a shortened signature", "wrong-signature", changed={"webhook-signature": right[:-4]}),
        ],
        "rotation.json": [
            vector("both sign, and the new one is known", "valid", signed_by=(CURRENT, OLD)),
            vector("both sign, and the old one is known", "valid", secrets=(OLD,), signed_by=(CURRENT, OLD)),
            vector("both sign, and both are known", "valid", secrets=(OLD, CURRENT), signed_by=(CURRENT, OLD)),
            vector("the old one signs, and both are known", "valid", secrets=(CURRENT, OLD), signed_by=(OLD,)),
            vector("a broken signature beside the right one", "valid", changed={"webhook-signature": f"v1,*** {right}"}),
            vector("both sign, and neither is known", "wrong-signature", secrets=(FOREIGN,), signed_by=(CURRENT, OLD)),
        ],
        "timestamps.json": [
            vector("a minute old", "valid", stamp=NOW - 60),
            vector("300 s old", "valid", stamp=NOW - 300),
            vector("301 s old", "too-old", stamp=NOW - 301),
            vector("a year old", "too-old", stamp=NOW - 31_536_000),
            vector("a minute ahead", "valid", stamp=NOW + 60),
            vector("300 s ahead", "valid", stamp=NOW + 300),
            vector("301 s ahead", "too-new", stamp=NOW + 301),
            vector("an hour ahead", "too-new", stamp=NOW + 3_600),
        ],
        "malformed.json": [
            vector("no id", "missing-header", changed={"webhook-id": None}),
            vector("no timestamp", "missing-header", changed={"webhook-timestamp": None}),
            vector("no signature", "missing-header", changed={"webhook-signature": None}),
            vector("an empty signature", "missing-header", changed={"webhook-signature": ""}),
            vector("a full stop in the id", "malformed-header", changed={"webhook-id": f"{ID}.1"}),
            vector("a timestamp in words", "malformed-header", changed={"webhook-timestamp": "noon"}),
            vector("a timestamp with a fraction", "malformed-header", changed={"webhook-timestamp": f"{NOW}.5"}),
            vector("a negative timestamp", "malformed-header", changed={"webhook-timestamp": "-1"}),
            vector("digits of another script", "malformed-header", changed={"webhook-timestamp": "١٧٦٧٢٦٨٨٠٠"}),
            vector("a timestamp beyond every clock", "malformed-header", changed={"webhook-timestamp": "9" * 400}),
            vector("a signature without version", "malformed-header", changed={"webhook-signature": right[3:]}),
            vector("a version without signature", "malformed-header", changed={"webhook-signature": "v1"}),
            vector("a signature that is not base64", "malformed-header", changed={"webhook-signature": "v1,***"}),
            vector("no event, though signed", "malformed-body", body=plain),
            vector("no JSON, though signed", "malformed-body", body=b"hello"),
            vector("too deep, though signed", "malformed-body", body=nested),
            vector("a secret of 23 bytes", "bad-secret", secrets=("whsec_" + b64encode(bytes(23)).decode(),)),
            vector("a secret that is not base64", "bad-secret", secrets=("whsec_***",)),
            vector("a secret without prefix", "bad-secret", secrets=(CURRENT.removeprefix("whsec_"),)),
            vector("the private key", "bad-secret", secrets=(PRIVATE,)),
            vector("no secret", "bad-secret", secrets=()),
        ],
        "v1a.json": [
            vector("signed by the private key", "valid", secrets=(PUBLIC,), signed_by=(PRIVATE,)),
            vector("beside a v1 signature", "valid", secrets=(PUBLIC,), signed_by=(CURRENT, PRIVATE)),
            vector("a v1 signature beside it", "valid", signed_by=(CURRENT, PRIVATE)),
            vector("both keys sign while they rotate", "valid", secrets=(OTHER_PUBLIC,), signed_by=(PRIVATE, OTHER_PRIVATE)),
            vector("signed by a foreign key", "wrong-signature", secrets=(PUBLIC,), signed_by=(OTHER_PRIVATE,)),
            vector("the body was changed", "wrong-signature", secrets=(PUBLIC,), signed_by=(PRIVATE,), sent=BODY.replace(b"19.99", b"91.99")),
            vector("the right bytes as HMAC", "wrong-signature", secrets=(PUBLIC,), changed={"webhook-signature": _signature(PRIVATE).replace("v1a", "v1")}),
            vector("a shortened signature", "wrong-signature", secrets=(PUBLIC,), changed={"webhook-signature": _signature(PRIVATE)[:-4]}),
        ],
    }  # fmt: skip


def render(vectors: list[dict[str, Any]]) -> str:
    return (
        json.dumps({"now": NOW, "tolerance_s": 300, "vectors": vectors}, indent=1, ensure_ascii=False) + "\n"
    )


if __name__ == "__main__":
    for name, vectors in files().items():
        (HERE / name).write_text(render(vectors), encoding="utf-8")
