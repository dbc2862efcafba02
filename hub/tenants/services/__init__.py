"""Every change of tenants' rows: one module an entity, each change with its audit entry in the same
transaction.
"""

from hub.tenants.services.generations import bump

__all__ = ["bump"]
