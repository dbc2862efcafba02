"""Counts every accepted event to its deliveries, in one snapshot, while traffic runs. It reads and never
mends.
"""

from hub.ops.invariants.check import check
from hub.ops.invariants.report import Finding, Report

__all__ = ["Finding", "Report", "check"]
