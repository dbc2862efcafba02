"""Every change of positions, and the reading from them: what is read is leased, and acknowledged, extended or given back."""

from hub.consumption.services.consumers import delete_consumer
from hub.consumption.services.leases import ack, extend, release
from hub.consumption.services.positions import create, delete, seek, seek_shards, update
from hub.consumption.services.reading import read

__all__ = [
    "ack",
    "create",
    "delete",
    "delete_consumer",
    "extend",
    "read",
    "release",
    "seek",
    "seek_shards",
    "update",
]
