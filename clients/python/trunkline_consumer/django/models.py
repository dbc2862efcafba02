"""The table of handled deliveries. It keeps ids and times, never what was delivered."""

from __future__ import annotations

from django.db import models


class Handled(models.Model):
    """One delivery whose work is committed: the row came with it. Written by `once` alone."""

    id = models.CharField(max_length=256, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "trunkline_handled"
        verbose_name = "handled delivery"
        verbose_name_plural = "handled deliveries"

    def __str__(self) -> str:
        return self.pk
