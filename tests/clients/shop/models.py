"""What the shop does for a delivery: it keeps an order. No constraint keeps it from doing so twice."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    delivery = models.CharField(max_length=256)

    class Meta:
        app_label = "shop"
        db_table = "shop_order"

    def __str__(self) -> str:
        return self.delivery
