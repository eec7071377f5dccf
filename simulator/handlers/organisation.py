"""What a preflight asks the organisation: token, limits, integrations, queues, deployments."""

from __future__ import annotations

from simulator.answers import Answer, json_answer
from simulator.calls import Call
from simulator.errors import rejection
from simulator.handlers.reading import page_of
from simulator.handlers.renderings import Json
from simulator.model.limits import (
    LIMITS,
    NAMESPACES,
    ORGANISATION_LIMIT,
    KnownLimit,
    limits_of_guests,
)
from simulator.model.organisation import DEPLOYMENTS, INTEGRATIONS, QUEUES, Integration, Queue
from simulator.model.rates import APP_USER_KEY, CLIENT_TOKEN_KEY, TOKEN_KEY
from simulator.model.tokens import Token
from simulator.timestamps import stamp
from simulator.world import World

WEBHOOK = "https://middleware.invalid/outbound"
HIDDEN = "****************"
OK = Answer(200)


def show_token(world: World, call: Call) -> Answer:
    """`GET /api/v2/tokens/me`: TokenInfo."""
    token = call.token
    if token is None:
        raise rejection("authentication.required")
    return json_answer(_token_info(world, token))


def probe_token(world: World, call: Call) -> Answer:
    """`HEAD /api/v2/tokens/me`."""
    return OK


def revoke_token(world: World, call: Call) -> Answer:
    """`DELETE /api/v2/tokens/me`."""
    world.tokens.revoke(call.token_text)
    return OK


def list_namespaces(world: World, call: Call) -> Answer:
    """`GET /api/v2/organizations/limits/namespaces`."""
    page = page_of(call)
    return json_answer(page.listing(page.of(list(NAMESPACES)), len(NAMESPACES)))


def list_limits(world: World, call: Call) -> Answer:
    """`GET /api/v2/organizations/limits/namespaces/{namespaceName}`: those in force."""
    options = world.options
    in_force: dict[str, int] = {
        TOKEN_KEY: world.rate_limit.count,
        CLIENT_TOKEN_KEY: world.rate_limit.count,
        APP_USER_KEY: options.app_user_rate_per_minute,
        "outbound.webmessaging.and.open.messaging.characters.max": options.outbound_text_max,
        **limits_of_guests(options.guests),
    }
    limits = [
        each._replace(value=in_force.get(each.key, each.value))
        for each in LIMITS
        if in_force.get(each.key) != 0
    ]
    if options.organisation_rate_per_minute is not None:
        limits.append(ORGANISATION_LIMIT._replace(value=options.organisation_rate_per_minute))
    return _limits_of(call, limits)


def list_default_limits(world: World, call: Call) -> Answer:
    """`GET /api/v2/organizations/limits/namespaces/{namespaceName}/defaults`."""
    return _limits_of(call, list(LIMITS))


def show_limit_docs(world: World, call: Call) -> Answer:
    """`GET /api/v2/organizations/limits/docs`: LimitDocumentation."""
    namespaces = [
        {
            "name": namespace,
            "friendlyName": namespace,
            "limits": [
                {"key": each.key, "defaultValue": each.value, "description": each.description}
                for each in LIMITS
                if each.namespace == namespace
            ],
        }
        for namespace in NAMESPACES
    ]
    return json_answer(
        {"url": "https://developer.genesys.cloud/organization/organization/limits"}
        | {"namespaces": namespaces}
    )


def list_integrations(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations/messaging/integrations/open`."""
    page, all_of_them = page_of(call), list(INTEGRATIONS.values())
    entities = [_integration(each) for each in page.of(all_of_them)]
    return json_answer(page.listing(entities, len(all_of_them)))


def show_integration(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations/messaging/integrations/open/{integrationId}`."""
    integration = INTEGRATIONS.get(call.path_values[0])
    if integration is None:
        raise rejection("not.found")
    return json_answer(_integration(integration))


def list_queues(world: World, call: Call) -> Answer:
    """`GET /api/v2/routing/queues?name=…`."""
    page, name = page_of(call), call.parameters.get("name", "")
    found = [each for each in QUEUES.values() if name.casefold() in each.name.casefold()]
    return json_answer(page.listing([_queue(each) for each in page.of(found)], len(found)))


def show_queue(world: World, call: Call) -> Answer:
    """`GET /api/v2/routing/queues/{queueId}`."""
    queue = QUEUES.get(call.path_values[0])
    if queue is None:
        raise rejection("not.found")
    return json_answer(_queue(queue))


def show_deployment(world: World, call: Call) -> Answer:
    """`GET /api/v2/webdeployments/deployments/{deploymentId}`: WebDeployment, in part."""
    deployment = DEPLOYMENTS.get(call.path_values[0])
    if deployment is None:
        raise rejection("not.found")
    return json_answer(
        {
            "id": deployment.id,
            "name": deployment.name,
            "allowAllDomains": not deployment.allowed_domains,
            "allowedDomains": list(deployment.allowed_domains),
            "status": "Active" if deployment.is_active else "Inactive",
            "selfUri": f"/api/v2/webdeployments/deployments/{deployment.id}",
        }
    )


def _token_info(world: World, token: Token) -> Json:
    client = token.client
    idles_s = world.wall_s() + token.expires_at_s - world.now_s()
    return {
        "organization": world.organisation,
        "homeOrganization": world.organisation,
        "authorizedScope": sorted(client.scopes),
        "dateTokenIdles": stamp(idles_s),
        "OAuthClient": {
            "id": client.id,
            "name": client.id,
            "authorizedGrantType": "CODE" if client.is_user_grant else "CLIENT-CREDENTIALS",
            "scope": sorted(client.scopes),
            "state": "active",
            "organization": world.organisation,
        },
    }


def _limits_of(call: Call, limits: list[KnownLimit]) -> Answer:
    namespace = call.path_values[0]
    if namespace not in NAMESPACES:
        refused = rejection("invalid.value", field="namespaceName")
        refused.message = "The provided namespace is not valid or does not have any viewable limits"
        raise refused
    found = [
        {"key": each.key, "namespace": each.namespace, "value": each.value}
        for each in limits
        if each.namespace == namespace
    ]
    return json_answer({"entities": found})


def _integration(each: Integration) -> Json:
    """OpenIntegration; which word its status has for one that is not active is not documented."""
    return {
        "id": each.id,
        "name": each.name,
        "outboundNotificationWebhookUrl": WEBHOOK,
        "outboundNotificationWebhookSignatureSecretToken": HIDDEN,
        "status": "Active" if each.is_active else "Inactive",
        "createStatus": "Completed",
        "selfUri": f"/api/v2/conversations/messaging/integrations/open/{each.id}",
    }


def _queue(each: Queue) -> Json:
    """Queue, as far as a sender of messages needs it (official Python SDK 269.0.0)."""
    rendered: Json = {
        "id": each.id,
        "name": each.name,
        "memberCount": int(each.has_user),
        "selfUri": f"/api/v2/routing/queues/{each.id}",
    }
    if each.integration_id:
        recipient = {
            "id": each.integration_id,
            "name": INTEGRATIONS[each.integration_id].name,
            "selfUri": f"/api/v2/routing/message/recipients/{each.integration_id}",
        }
        rendered["outboundMessagingAddresses"] = {"openMessagingRecipient": recipient}
    return rendered
