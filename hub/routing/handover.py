"""From the routing commit into the lanes, without reading anything back; and out of them when shards go to another engine."""

from __future__ import annotations

import asyncio

from hub.delivery.dispatch import Dispatcher
from hub.delivery.items import Item, Parcel
from hub.delivery.lane import NEVER, Lane
from hub.routing.roster import Roster
from hub.routing.router import Share


def hand_over(shares: list[Share], *, dispatcher: Dispatcher, roster: Roster, owned: set[int]) -> list[int]:
    """Give each lane its share, or mark that its rows wait. Returns subscriptions whose owner is another engine."""
    elsewhere = []
    for share in shares:
        endpoint = roster.endpoints.get(share.sub.id)
        if endpoint is None:
            continue
        if endpoint.shard not in owned:
            elsewhere.append(endpoint.id)
            continue
        lane, events = dispatcher.lane(endpoint), share.events
        if lane.takes(len(events), sum(event.weight for event in events)):
            parcel = Parcel(endpoint.id, events[0].src, events[0].seq, len(events))
            parcel.taken = {event.seq for event in events}
            lane.push([Item(event, parcel) for event in events], parcel)
            dispatcher.pump(lane)
        else:
            lane.leave()
            dispatcher.feed(lane)
    return elsewhere


async def give_up(dispatcher: Dispatcher, shards: set[int], *, patience_s: float) -> list[Lane]:
    """Empty the lanes of these shards: what is in flight may end within `patience_s`, then it is aborted and stays a row."""
    loop = asyncio.get_running_loop()
    lanes = [lane for lane in dispatcher.lanes.values() if lane.endpoint.shard in shards]
    for lane in lanes:
        lane.slots = 0
        lane.add_weight(-lane.bytes)
        lane.firsts.clear()
        lane.retries.clear()
        lane.replays.clear()
        lane.backlog, lane.next_due = False, NEVER
    until = loop.time() + patience_s
    while any(lane.in_flight for lane in lanes) and loop.time() < until:
        await asyncio.sleep(0.01)
    dispatcher.abort_lanes(lanes)
    return lanes
