"""A real webhook receiver for people and tests: it verifies signatures, remembers, and misbehaves when told
to.
"""

from hub.ops.receiver.behaviour import Act, Behaviour
from hub.ops.receiver.received import Received
from hub.ops.receiver.server import Receiver

__all__ = ["Act", "Behaviour", "Received", "Receiver"]
