"""Every URL Django serves; the hot paths never come here (see hub.asgi)."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("hub.ops.urls")),
    path("", include("hub.api.urls")),
]

handler400 = "hub.api.errors.handler400"
handler403 = "hub.api.errors.handler403"
handler404 = "hub.api.errors.handler404"
handler500 = "hub.api.errors.handler500"
