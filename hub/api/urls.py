"""The addresses of the API and of its pages.

The hot paths under /api/v1/events are answered before Django.
"""

from django.urls import path
from django.views.decorators.cache import cache_control

from hub.api.schema import DocumentView
from hub.api.views import (
    audit,
    configuration,
    consumers,
    consumption,
    consumption_reading,
    deliveries,
    entities,
    environment,
    events,
    keys,
    members,
    pages,
    projections,
    replays,
    secrets,
    sinking,
    sinks,
    statistics,
    subscriptions,
)

_SUBSCRIPTION = "api/v1/subscriptions/<str:subscription>"
_DELIVERY = "api/v1/deliveries/<str:delivery>"
_POSITION = "api/v1/consumption/<str:position>"

urlpatterns = [
    path("", pages.home, name="home"),
    path("api/docs/", pages.docs, name="api-docs"),
    path("cli.py", pages.cli, name="cli"),
    path("problems/<slug:code>", pages.problem, name="problem"),
    path("api/v1/openapi.json", cache_control(max_age=300)(DocumentView.as_view()), name="openapi"),
    path("api/v1/environment", environment.EnvironmentView.as_view(), name="environment"),
    path("api/v1/configuration", configuration.ConfigurationView.as_view(), name="configuration"),
    path(
        "api/v1/configuration/diff", configuration.ConfigurationDiffView.as_view(), name="configuration-diff"
    ),
    path(
        "api/v1/configuration/apply",
        configuration.ConfigurationApplyView.as_view(),
        name="configuration-apply",
    ),
    path("api/v1/consumers", consumers.ConsumersView.as_view(), name="consumers"),
    path("api/v1/consumers/<str:consumer>", consumers.ConsumerView.as_view(), name="consumer"),
    path("api/v1/subscriptions", subscriptions.SubscriptionsView.as_view(), name="subscriptions"),
    path(_SUBSCRIPTION, subscriptions.SubscriptionView.as_view(), name="subscription"),
    path(f"{_SUBSCRIPTION}/pause", subscriptions.PauseView.as_view(), name="subscription-pause"),
    path(f"{_SUBSCRIPTION}/resume", subscriptions.ResumeView.as_view(), name="subscription-resume"),
    path(f"{_SUBSCRIPTION}/enable", subscriptions.EnableView.as_view(), name="subscription-enable"),
    path(f"{_SUBSCRIPTION}/disable", subscriptions.DisableView.as_view(), name="subscription-disable"),
    path(f"{_SUBSCRIPTION}/secrets", secrets.SecretsView.as_view(), name="secrets"),
    path(f"{_SUBSCRIPTION}/secrets/rotate", secrets.RotateView.as_view(), name="secrets-rotate"),
    path(f"{_SUBSCRIPTION}/secrets/reveal", secrets.RevealView.as_view(), name="secrets-reveal"),
    path("sink/<str:token>", sinking.sink, name="sinking"),
    path("api/v1/sinks", sinks.SinksView.as_view(), name="sinks"),
    path("api/v1/sinks/<str:sink>", sinks.SinkView.as_view(), name="sink"),
    path("api/v1/sinks/<str:sink>/requests", sinks.SinkRequestsView.as_view(), name="sink-requests"),
    path("api/v1/events", events.EventsView.as_view(), name="events"),
    path("api/v1/events/batch", events.EventBatchView.as_view(), name="event-batch"),
    path("api/v1/events/log", events.EventLogView.as_view(), name="event-log"),
    path("api/v1/events/shards", events.EventShardsView.as_view(), name="event-shards"),
    path("api/v1/events/<str:event>", events.EventView.as_view(), name="event"),
    path(
        "api/v1/events/<str:event>/deliveries", events.EventDeliveriesView.as_view(), name="event-deliveries"
    ),
    path("api/v1/consumption", consumption.PositionsView.as_view(), name="positions"),
    path(_POSITION, consumption.PositionView.as_view(), name="position"),
    path(f"{_POSITION}/seek", consumption.SeekView.as_view(), name="position-seek"),
    path(f"{_POSITION}/read", consumption_reading.ReadView.as_view(), name="position-read"),
    path(f"{_POSITION}/ack", consumption_reading.AckView.as_view(), name="position-ack"),
    path(f"{_POSITION}/extend", consumption_reading.ExtendView.as_view(), name="position-extend"),
    path(f"{_POSITION}/release", consumption_reading.ReleaseView.as_view(), name="position-release"),
    path("api/v1/deliveries", deliveries.DeliveriesView.as_view(), name="deliveries"),
    path("api/v1/deliveries/requeue", deliveries.BulkRequeueView.as_view(), name="deliveries-requeue"),
    path("api/v1/deliveries/cancel", deliveries.BulkCancelView.as_view(), name="deliveries-cancel"),
    path(_DELIVERY, deliveries.DeliveryView.as_view(), name="delivery"),
    path(f"{_DELIVERY}/attempts", deliveries.AttemptsView.as_view(), name="delivery-attempts"),
    path(f"{_DELIVERY}/retry", deliveries.RetryView.as_view(), name="delivery-retry"),
    path(f"{_DELIVERY}/cancel", deliveries.CancelView.as_view(), name="delivery-cancel"),
    path(f"{_DELIVERY}/requeue", deliveries.RequeueView.as_view(), name="delivery-requeue"),
    path("api/v1/commands/<str:command>", deliveries.CommandView.as_view(), name="command"),
    path("api/v1/entities", entities.EntitiesView.as_view(), name="entities"),
    path("api/v1/entities/state", entities.EntityStateView.as_view(), name="entity-state"),
    path("api/v1/entities/timeline", entities.EntityTimelineView.as_view(), name="entity-timeline"),
    path("api/v1/projections", projections.ProjectionsView.as_view(), name="projections"),
    path("api/v1/projections/<str:projection>", projections.ProjectionView.as_view(), name="projection"),
    path("api/v1/replays", replays.ReplaysView.as_view(), name="replays"),
    path("api/v1/replays/<str:replay>", replays.ReplayView.as_view(), name="replay"),
    path("api/v1/replays/<str:replay>/start", replays.ReplayStartView.as_view(), name="replay-start"),
    path("api/v1/replays/<str:replay>/pause", replays.ReplayPauseView.as_view(), name="replay-pause"),
    path("api/v1/replays/<str:replay>/resume", replays.ReplayResumeView.as_view(), name="replay-resume"),
    path("api/v1/replays/<str:replay>/cancel", replays.ReplayCancelView.as_view(), name="replay-cancel"),
    path("api/v1/statistics", statistics.StatisticsView.as_view(), name="statistics"),
    path("api/v1/statistics/top", statistics.StatisticsTopView.as_view(), name="statistics-top"),
    path("api/v1/keys", keys.KeysView.as_view(), name="keys"),
    path("api/v1/keys/<str:key>", keys.KeyView.as_view(), name="key"),
    path("api/v1/members", members.MembersView.as_view(), name="members"),
    path("api/v1/members/<str:member>", members.MemberView.as_view(), name="member"),
    path("api/v1/audit", audit.AuditView.as_view(), name="audit"),
]
