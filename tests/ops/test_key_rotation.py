"""The command that seals stored secrets anew: what it counts, names and ends with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import BinaryField
from rest_framework.test import APIClient

from hub.api.models import StoredAnswer
from hub.core.clock import utcnow
from hub.core.sealing import generate_key
from hub.ops import key_rotation
from hub.ops.doctor import hub_state
from hub.ops.receiver.certificates import Authority
from hub.subscriptions import vault
from hub.subscriptions.models import Secret, Subscription
from tests.cast import Person, make_person

OLD, NEW = f"old:{generate_key()}", f"new:{generate_key()}"
BODY: dict[str, Any] = {
    "url": "https://hooks.example.com/",
    "patterns": ["*"],
    "headers": {"X-Team": "blue-team"},
    "auth": {"kind": "bearer", "token": "s3cret-token"},
}
Use = Callable[[str], None]


@pytest.fixture
def use(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Starts this process with other keys, as it were."""

    def begin(keys: str) -> None:
        monkeypatch.setitem(settings.ENV, "SEALING_KEYS", keys)
        vault.keyring.cache_clear()

    yield begin
    vault.keyring.cache_clear()


@pytest.fixture
def person(use: Use, tmp_path: Path) -> Person:
    """Has a subscription with one secret of every kind, made under the old key, which is behind the new one now."""
    use(OLD)
    made = make_person(email="rita@r.example", slug="tenant-r", role="owner")
    chain, key = Authority(tmp_path, now=utcnow()).client("shop", now=utcnow())
    BODY["client_certificate"] = {"chain": chain, "key": key}
    assert post(made).status_code == 201
    use(f"{NEW},{OLD}")
    return made


def post(person: Person) -> Any:
    return APIClient().post(
        "/api/v1/subscriptions", BODY, format="json",
        headers={"Authorization": f"Bearer {person.live_key}", "Idempotency-Key": "k-1"},
    )  # fmt: skip


def stored() -> list[bytes]:
    row, secret, answer = Subscription.objects.get(), Secret.objects.get(), StoredAnswer.objects.get()
    sealed = (secret.sealed, row.headers_sealed, row.auth_sealed, row.client_certificate_sealed, answer.body)
    return [bytes(value) for value in sealed]


def table(text: str) -> list[list[str]]:
    return [line.rsplit(maxsplit=3) for line in text.splitlines()[1 : text.splitlines().index("")]]


def test_every_binary_column_is_known_as_sealed_as_a_hash_or_as_what_a_sink_was_sent() -> None:
    binary = {(model, field.column) for model in apps.get_models() for field in model._meta.concrete_fields
              if isinstance(field, BinaryField)}  # fmt: skip
    sealed = {(column.model, column.column) for column in key_rotation.columns()}
    assert sealed <= binary
    plain = {(model._meta.model_name, column) for model, column in binary - sealed}
    assert plain == {("apikey", "hash"), ("storedanswer", "request_hash"), ("caught", "body")}


def test_the_kinds_have_names() -> None:
    assert [column.kind for column in key_rotation.columns()] == [
        "signing secret",
        "custom headers",
        "endpoint auth",
        "client certificate",
        "kept answer",
    ]


def test_it_seals_all_anew_and_a_second_run_says_that_nothing_had_to_change(
    person: Person, use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hub_state.sealed().level == "warn"
    call_command("rotate-sealing-key")
    told = capsys.readouterr().out
    kinds = ("signing secret", "custom headers", "endpoint auth", "client certificate", "kept answer")
    assert table(told) == [
        line for kind in kinds for line in ([kind, "new", "1", "0"], [kind, "old", "0", "1"])
    ]
    assert told.splitlines()[-2:] == [
        "5 values were sealed anew under 'new'.",
        "No row needs another key than 'new'. May be taken out of SEALING_KEYS: old.",
    ]
    assert hub_state.sealed().level == "ok"
    kept = stored()
    assert all(value.startswith(b"s1.new.") for value in kept)
    call_command("rotate-sealing-key")
    again = capsys.readouterr().out
    assert "Nothing had to be changed." in again.splitlines()
    assert stored() == kept
    for secret in ("s3cret", "blue-team", "PRIVATE KEY", "whsec_", OLD[4:], NEW[4:]):
        assert secret not in told + again
    use(NEW)
    replayed = post(person)
    assert (replayed.status_code, replayed["Idempotent-Replayed"]) == (201, "true")
    assert replayed.json()["secret"] == vault.open_secret(
        subscription=replayed.json()["id"], sealed=Secret.objects.get().sealed
    )


def test_a_dry_run_counts_and_changes_nothing(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    before = stored()
    call_command("rotate-sealing-key", "--dry-run")
    told = capsys.readouterr().out
    assert [line[1:] for line in table(told)] == [["old", "1", "0"]] * 5
    assert told.splitlines()[-1] == "5 values would be sealed anew under 'new'. Nothing was changed."
    assert stored() == before


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_what_no_key_opens_is_named_and_ends_with_1(
    person: Person, use: Use, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    use(NEW)
    lost = stored()
    use(f"{NEW},{OLD}")
    Subscription.objects.update(auth_sealed=lost[1])
    with pytest.raises(SystemExit) as ended:
        call_command("rotate-sealing-key", *options)
    told = capsys.readouterr().out
    assert ended.value.code == 1
    uid = Subscription.objects.get().uid
    assert f"not opened: endpoint auth of {uid}: the sealed token does not open with key 'old' here" in told
    assert "No row needs" not in told
    assert stored()[2] == lost[1]
    assert [value[:7] == b"s1.new." for value in stored()] == [
        not options,
        not options,
        False,
        not options,
        not options,
    ]


def test_without_the_old_key_every_row_is_named(
    person: Person, use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    use(NEW)
    before = stored()
    with pytest.raises(SystemExit) as ended:
        call_command("rotate-sealing-key")
    told = capsys.readouterr().out
    assert ended.value.code == 1
    assert told.count("sealed with key 'old', which is not in the keyring") == 5
    assert stored() == before


@pytest.mark.django_db
def test_an_absent_database_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "NAME", "no_such_database")
    with pytest.raises(CommandError, match="can be run again at any time"):
        call_command("rotate-sealing-key", "--dry-run")
