"""Plans and jobs against a real PostgreSQL: what is counted, for whom, and which changes of state there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.core.problems import ProblemError
from hub.delivery.outcome import Reason
from hub.replay import candidates, feeding, services
from hub.replay.models import Job, Target
from hub.subscriptions.models import Subscription
from hub.tenants.models import AuditEntry
from hub.tenants.scoping import Scope
from tests.cast import Cast, make_cast
from tests.eventlog import rows
from tests.eventlog.rows import Row, run
from tests.eventlog.scene import bound, subscribe


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def scope(cast: Cast) -> Scope:
    return cast.alice.scope


def dead(cast: Cast, subscription: Subscription, count: int, **more: object) -> list[Row]:
    """Events that died there a minute and more ago."""
    made = []
    for number in range(count):
        row = rows.event(
            cast.alice.live,
            at=datetime.now(UTC) - timedelta(seconds=90 + number),
            consumer=subscription.consumer,
        )
        rows.dead(subscription, row, **more)
        made.append(row)
    return made


def routed(cast: Cast) -> None:
    """All events there are have been routed."""
    (upto,) = run("select coalesce(max(seq), 0) from event")
    for shard in {cast.alice.live.shard, cast.acme.shard}:
        rows.routed(shard, 1_000_000 + upto, prev=0, upto=upto)


def planned(scope: Scope, **asked: object) -> Job:
    return services.plan(scope=scope, **asked)  # type: ignore[arg-type]


def test_a_plan_says_how_many_for_whom_and_from_when(cast: Cast, scope: Scope) -> None:
    a, b = subscribe(scope), subscribe(scope)
    events = dead(cast, a, 3) + dead(cast, b, 2)
    rows.delivered(b, events[-1], run=7)
    job = planned(scope, search="status:dead")
    assert (job.plan["complete"], job.plan["count"], job.plan["delivered"]) == (True, 5, 1)
    assert job.plan["subscriptions"] == {a.uid: 3, b.uid: 2}
    raws = sorted(event.raw for event in events)
    assert (job.plan["oldest"], job.plan["newest"]) == (raws[0].hex(), raws[-1].hex())
    assert not Target.objects.filter(job=job).exists()
    assert AuditEntry.objects.filter(target=job.uid, action="replay.planned").count() == 1


def test_a_plan_that_takes_too_long_says_that_it_is_not_all(cast: Cast, scope: Scope) -> None:
    a = subscribe(scope)
    dead(cast, a, candidates.PAGE + 1)
    job = services.plan(scope=scope, search="status:dead", seconds=0.0)
    assert job.plan["complete"] is False
    assert 0 < job.plan["count"] <= candidates.PAGE
    # It is started for all that may be meant, since the plan does not know them all.
    other = subscribe(scope)
    services.start(scope=scope, uid=job.uid)
    assert set(Target.objects.filter(job=job).values_list("sub", flat=True)) == {a.id, other.id}


def test_what_has_no_end_and_what_a_deleted_subscription_had_is_left_out(cast: Cast, scope: Scope) -> None:
    a, gone = subscribe(scope), subscribe(scope)
    dead(cast, gone, 2)
    waiting = rows.event(cast.alice.live)
    rows.parcel(a, [waiting])
    Subscription.objects.filter(id=gone.id).update(deleted_at=datetime.now(UTC))
    assert planned(scope).plan["count"] == 0


def test_events_that_a_subscription_never_got(cast: Cast, scope: Scope) -> None:
    to = subscribe(scope, patterns=["order.*"])
    minute = datetime.now(UTC) - timedelta(seconds=60)
    had, waits, later, missed = (rows.event(cast.alice.live, at=minute) for _ in range(4))
    rows.event(cast.alice.live, at=minute, type="user.created")
    rows.delivered(to, had)
    rows.parcel(to, [waits])
    rows.due(to, later)
    routed(cast)
    late = rows.event(cast.alice.live, at=minute)
    job = planned(scope, subscription=to.uid, only_missing=True)
    page = candidates.page(scope, job, subscription=None, position=None)
    # The last one is not routed yet: it comes to the subscription by itself.
    assert [row.seq for row in page.rows] == [missed.seq]
    assert late.seq > missed.seq
    assert job.plan["skipped"] == 5
    everything = planned(scope, subscription=to.uid)
    assert (everything.plan["count"], everything.plan["delivered"]) == (4, 1)
    assert planned(scope, subscription=to.uid, skip_delivered=True).plan["count"] == 3


def test_another_consumers_events_never_go_to_a_consumers_subscription(cast: Cast, scope: Scope) -> None:
    minute = datetime.now(UTC) - timedelta(seconds=60)
    rows.event(cast.alice.live, at=minute, consumer=cast.globex)
    rows.event(cast.alice.live, at=minute)
    own = rows.event(cast.alice.live, at=minute, consumer=cast.acme)
    routed(cast)
    to = subscribe(scope, consumer="acme")
    job = planned(scope, subscription=to.uid)
    assert [row.seq for row in candidates.page(scope, job, subscription=None, position=None).rows] == [
        own.seq
    ]
    mine = planned(bound(cast), subscription=to.uid)
    assert mine.plan["count"] == 1


def test_a_consumers_key_replays_its_own_alone(cast: Cast, scope: Scope) -> None:
    acme, all_of_it = subscribe(scope, consumer="acme"), subscribe(scope)
    dead(cast, acme, 2)
    dead(cast, all_of_it, 3)
    job = planned(bound(cast), search="status:dead")
    assert job.plan["subscriptions"] == {acme.uid: 2}
    services.start(scope=bound(cast), uid=job.uid)
    assert list(Target.objects.filter(job=job).values_list("sub", flat=True)) == [acme.id]
    with pytest.raises(ProblemError):
        services.pause(
            scope=Scope(scope.tenant_id, scope.environment_id, cast.globex.id, "key", "k", scope.scopes),
            uid=job.uid,
        )


def test_pages_follow_each_other_and_none_is_made_twice(cast: Cast, scope: Scope) -> None:
    a, b = subscribe(scope), subscribe(scope)
    dead(cast, a, 7)
    dead(cast, b, 2, reason=Reason.http_410, http=410)
    job = services.start(scope=scope, uid=planned(scope, search="status:dead").uid)
    made = [
        feeding._advance(Job.objects.select_related("environment").get(id=job.id), allowed=3)
        for _ in range(6)
    ]
    assert sum(count for _, count in made) == 9
    pages = feeding.fetch("select sub, seqs from replay_page where run = %s order by id", [job.run])
    by_sub = {sub: sorted(seq for one, seqs in pages for seq in seqs if one == sub) for sub in (a.id, b.id)}
    assert (len(by_sub[a.id]), len(set(by_sub[a.id]))) == (7, 7)
    assert (len(by_sub[b.id]), len(set(by_sub[b.id]))) == (2, 2)
    assert all(len(seqs) <= 3 for _, seqs in pages)
    # Its pages wait for their owners: it is not done.
    assert Job.objects.get(id=job.id).state == Job.State.RUNNING
    run("update replay_page set applied_at = now() where run = %s", job.run)
    feeding._advance(Job.objects.select_related("environment").get(id=job.id), allowed=3)
    assert Job.objects.get(id=job.id).state == Job.State.DONE


def test_a_subscription_with_a_page_before_it_gets_no_other_and_its_neighbour_does(
    cast: Cast, scope: Scope
) -> None:
    slow, quick = subscribe(scope), subscribe(scope)
    dead(cast, slow, 4)
    dead(cast, quick, 4)
    job = services.start(scope=scope, uid=planned(scope, search="status:dead").uid)
    job = Job.objects.select_related("environment").get(id=job.id)
    run(
        "insert into replay_page (run, shard, sub, src, day, seqs) values (%s, %s, %s, 1, current_date, %s)",
        job.run, slow.shard, slow.id, list(range(1, feeding.ROOM + 2)),
    )  # fmt: skip
    assert feeding._advance(job, allowed=100) == (1, 4)
    assert Target.objects.get(job=job, sub=slow.id).issued == 0
    assert Target.objects.get(job=job, sub=quick.id).ended is True


def test_nothing_is_made_of_a_paused_job_even_if_its_feeder_has_not_heard(cast: Cast, scope: Scope) -> None:
    a = subscribe(scope)
    dead(cast, a, 4)
    job = services.start(scope=scope, uid=planned(scope, search="status:dead").uid)
    stale = Job.objects.select_related("environment").get(id=job.id)
    services.pause(scope=scope, uid=job.uid)
    assert feeding._advance(stale, allowed=10) == (1, 0)
    assert run("select count(*) from replay_page where run = %s", job.run) == (0,)
    assert Target.objects.get(job=job).position is None


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        ("planned", {"pause", "resume"}),
        ("running", {"start", "resume"}),
        ("paused", {"start", "pause"}),
        ("cancelling", {"start", "pause", "resume", "cancel"}),
        ("cancelled", {"start", "pause", "resume", "cancel"}),
        ("done", {"start", "pause", "resume", "cancel"}),
    ],
)
def test_which_changes_there_are(scope: Scope, state: str, refused: set[str]) -> None:
    for verb in ("start", "pause", "resume", "cancel"):
        job = planned(scope)
        Job.objects.filter(id=job.id).update(state=state)
        if verb in refused:
            with pytest.raises(ProblemError) as told:
                getattr(services, verb)(scope=scope, uid=job.uid)
            assert told.value.problem.status == 409
            assert Job.objects.get(id=job.id).state == state
        else:
            assert getattr(services, verb)(scope=scope, uid=job.uid).state != state
