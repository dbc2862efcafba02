"""The shop's one address, where the data says how its view shall behave."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path
from trunkline_consumer import Delivery
from trunkline_consumer.django import webhook

from tests.clients.shop.models import Order


@webhook(settings.TRUNKLINE_SECRETS)
def received(request: HttpRequest, delivery: Delivery) -> HttpResponse | None:
    Order.objects.create(delivery=delivery.id)
    if delivery.data.get("raise"):
        raise ZeroDivisionError
    answer = delivery.data.get("answer")
    return HttpResponse("as asked", status=answer) if answer else None


urlpatterns = [path("hook", received)]
