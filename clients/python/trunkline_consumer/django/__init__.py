"""Ids of handled deliveries through Django, in the transaction of the work, and a decorator for views.

Put "trunkline_consumer.django" into INSTALLED_APPS and migrate. PostgreSQL, or SQLite for development; it never
tries another database.
"""

from trunkline_consumer.django.storing import once, trim
from trunkline_consumer.django.views import webhook

__all__ = ["once", "trim", "webhook"]
