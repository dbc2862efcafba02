"""Every change of subscriptions and secrets; each counts in the "subscriptions" generation and leaves an
audit entry.
"""

from hub.subscriptions.services.secrets import reveal_secret, rotate_secret
from hub.subscriptions.services.states import disable, enable, pause, resume
from hub.subscriptions.services.subscriptions import create, delete, delete_consumer, update

__all__ = [
    "create",
    "delete",
    "delete_consumer",
    "disable",
    "enable",
    "pause",
    "resume",
    "reveal_secret",
    "rotate_secret",
    "update",
]
