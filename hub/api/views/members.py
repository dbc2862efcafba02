"""Members of the tenant and their roles. A key stands for no person, so it never makes or unmakes an owner."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api import fields, pagination
from hub.api.idempotency import idempotent
from hub.api.schema import page_of
from hub.api.views.base import HubView
from hub.tenants import refusals, roles
from hub.tenants.models import Member
from hub.tenants.services import members

_A_KEY_ACTS_AS = "admin"


class Output(serializers.Serializer[Member]):
    # Not the user's name: it is the person's own, and may have been given in another tenant.
    id = serializers.CharField(source="uid")
    email = serializers.CharField(source="user.email")
    role = serializers.ChoiceField(Member.Role.choices)
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Member"


class MembersView(HubView):
    """All of the tenant, whichever environment the key is for."""

    scopes: ClassVar = {"GET": "members:read", "POST": "members:write"}
    environment_wide = True
    query: ClassVar = {"GET": pagination.PARAMETERS}

    class Input(fields.Strict):
        email = fields.Email(max_length=254)
        role = fields.Choice(Member.Role.choices)

        class Meta:
            ref_name = "NewMember"

    @extend_schema(operation_id="members_list", responses=page_of(Output))
    def get(self, request: Request) -> Response:
        rows = self.scope.members().select_related("user")
        return pagination.page(request, rows, name="members", output=Output)

    @extend_schema(operation_id="members_add", request=Input, responses={201: Output})
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.read(self.Input)
        _check(old=None, new=given["role"])
        member = members.add(scope=self.scope, **given)
        location = f"/api/v1/members/{member.uid}"
        return self.answer(Output(member).data, version=member.version, status=201, location=location)


class MemberView(HubView):
    """One of them."""

    scopes: ClassVar = {"GET": "members:read", "PATCH": "members:write", "DELETE": "members:write"}
    environment_wide = True
    versioned = True

    class Input(fields.Strict):
        role = fields.Choice(Member.Role.choices)

        class Meta:
            ref_name = "MemberInput"

    @extend_schema(operation_id="members_get", responses=Output)
    def get(self, request: Request, member: str) -> Response:
        return self._show(self.scope.member(member))

    @extend_schema(operation_id="members_change_role", request=Input, responses=Output)
    def patch(self, request: Request, member: str) -> Response:
        role = self.read(self.Input, partial=True).get("role") or self.scope.member(member).role
        version = self._version_that_may_become(role, member)
        return self._show(
            members.change_role(scope=self.scope, uid=member, role=role, expected_version=version)
        )

    @extend_schema(
        operation_id="members_remove", responses={204: None}, description="A key can't remove an owner."
    )
    def delete(self, request: Request, member: str) -> Response:
        version = self._version_that_may_become(None, member)
        members.remove(scope=self.scope, uid=member, expected_version=version)
        return Response(status=204)

    def _version_that_may_become(self, new: str | None, uid: str) -> int:
        """The version whose role was judged: if it is another by the time of the change, that is refused."""
        member = self.scope.member(uid)
        refusals.check_version(expected=self.expected_version, version=member.version)
        _check(old=member.role, new=new)
        return member.version

    def _show(self, member: Member) -> Response:
        return self.answer(Output(member).data, version=member.version)


def _check(*, old: str | None, new: str | None) -> None:
    if not roles.may_change_member(_A_KEY_ACTS_AS, old=old, new=new):
        raise refusals.forbidden("Only an owner who has signed in can make, change or remove an owner.")
