"""Reads a tenant with Microsoft's own SDK and prints what it sees, as JSON with sorted lists.

Arguments: the root of Graph with its version, the token endpoint, the client id. The client secret comes on
standard input. Printed: the ids of users and groups as they are listed and as the delta queries give them,
the members of each group by both ways, and the managers as the delta query gives them.
"""

import asyncio
import json
import sys

import httpx
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.groups.delta.delta_request_builder import (
    DeltaRequestBuilder as GroupsDelta,
)
from msgraph.generated.groups.groups_request_builder import GroupsRequestBuilder
from msgraph.generated.groups.item.members.members_request_builder import (
    MembersRequestBuilder,
)
from msgraph.generated.users.delta.delta_request_builder import (
    DeltaRequestBuilder as UsersDelta,
)
from msgraph.generated.users.users_request_builder import UsersRequestBuilder

graph, token_endpoint, client_id = sys.argv[1:]
PAGE = 100


class Token(AccessTokenProvider):
    """The token of an application, asked for as the SDK's own providers do; those insist on HTTPS."""

    def __init__(self, secret):
        answer = httpx.post(
            token_endpoint,
            data={
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": secret,
                "scope": graph.rsplit("/", 1)[0] + "/.default",
            },
        )
        answer.raise_for_status()
        self.token = answer.json()["access_token"]

    async def get_authorization_token(self, uri, additional_authentication_context={}):
        return self.token

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


def asked(parameters, **values):
    return RequestConfiguration(query_parameters=parameters(**values))


async def pages(builder, configuration):
    """The values of all pages, behind each link to the next one."""
    page = await builder.get(request_configuration=configuration)
    while True:
        for value in page.value:
            yield value
        if page.odata_next_link is None:
            return
        page = await builder.with_url(page.odata_next_link).get()


async def main():
    adapter = GraphRequestAdapter(
        BaseBearerTokenAuthenticationProvider(Token(sys.stdin.read().strip()))
    )
    adapter.base_url = graph
    client = GraphServiceClient(request_adapter=adapter)

    users = asked(
        UsersRequestBuilder.UsersRequestBuilderGetQueryParameters,
        top=PAGE,
        select=["id", "userPrincipalName"],
    )
    groups = asked(
        GroupsRequestBuilder.GroupsRequestBuilderGetQueryParameters,
        top=PAGE,
        select=["id", "displayName"],
    )
    seen = {
        "users": sorted([u.id async for u in pages(client.users, users)]),
        "groups": sorted([g.id async for g in pages(client.groups, groups)]),
    }

    few = asked(MembersRequestBuilder.MembersRequestBuilderGetQueryParameters, top=PAGE)
    seen["members"] = {}
    for group in seen["groups"]:
        members = client.groups.by_group_id(group).members
        seen["members"][group] = sorted([m.id async for m in pages(members, few)])

    changed = asked(
        UsersDelta.DeltaRequestBuilderGetQueryParameters,
        select=["userPrincipalName", "manager"],
    )
    delta, managers = set(), {}
    async for user in pages(client.users.delta, changed):
        if "@removed" in user.additional_data:
            continue
        delta.add(user.id)
        for manager in user.additional_data.get("manager@delta", []):
            managers[user.id] = str(manager["id"])
    seen["delta_users"] = sorted(delta)
    seen["managers"] = managers

    changed = asked(
        GroupsDelta.DeltaRequestBuilderGetQueryParameters,
        select=["displayName", "members"],
    )
    delta = {}
    async for group in pages(client.groups.delta, changed):
        if "@removed" in group.additional_data:
            continue
        # The members of a large group come in several entries.
        members = delta.setdefault(group.id, set())
        for member in group.additional_data.get("members@delta", []):
            if "@removed" not in member:
                members.add(str(member["id"]))
    seen["delta_members"] = {id: sorted(members) for id, members in delta.items()}
    json.dump(seen, sys.stdout, sort_keys=True)


asyncio.run(main())
