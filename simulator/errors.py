"""Every error code that the simulator answers with: its status, its sentence, and who says it.

Statuses and sentences of the public definition: https://github.com/api-evangelist/genesys,
`openapi/genesys-*-api-openapi.yml`, read 2026-11-22. `%s` stands for values of the request.
"""

from __future__ import annotations

from typing import NamedTuple

from simulator.model.rejection import INVALID_PAYLOAD, Rejection

BODY_BYTES_MAX = 512_000


class Error(NamedTuple):
    """An error's status, its sentence, and the values in it where nothing else is said."""

    status: int
    sentence: str
    values: tuple[str, ...] = ()


OF_THE_THREAD = {
    INVALID_PAYLOAD: Error(400, "Message payload is invalid."),
    "conversation.closed": Error(400, "The conversation is closed."),
    "method.not.allowed": Error(405, "The method is not allowed for the requested resource."),
}
"""Codes that the public definition does not have."""
STANDARD = {
    "bad.request": Error(
        400, "The request could not be understood by the server due to malformed syntax."
    ),
    "constraint.validation": Error(400, "%s", ("A value violates a constraint.",)),
    "invalid.date": Error(
        400,
        "Dates must be specified as ISO-8601 strings. For example: yyyy-MM-ddTHH:mm:ss.SSSZ",
    ),
    "invalid.property": Error(
        400, "Value [%s] is not a valid property for object [%s]", ("name", "object")
    ),
    "invalid.query.param.value": Error(
        400,
        "Value [%s] is not valid for parameter [%s]. Allowable values are: %s",
        ("value", "name", "others"),
    ),
    "invalid.value": Error(
        400,
        "Value [%s] is not valid for field type [%s]. Allowable values are: %s",
        ("value", "type", "others"),
    ),
    "response.entity.too.large": Error(
        400,
        "The response is over the size limit. Reduce pageSize or expand list to reduce response "
        "size if applicable",
    ),
    "authentication.required": Error(
        401, "No authentication bearer token specified in authorization header."
    ),
    "bad.credentials": Error(401, "Invalid login credentials."),
    "ip.not.authorized": Error(
        401,
        "Requests originating from this IP address are not authorized: [%s]",
        ("127.0.0.1",),
    ),
    "app.not.authorized.for.scope": Error(
        403, "App not authorized to use scope %s", ("[conversations]",)
    ),
    "authz.policy.denied": Error(
        403,
        "Unable to perform the requested action. Your organization's security policies have denied "
        "access. Policy ID(s): [%s]",
        ("none",),
    ),
    "missing.any.division.permissions": Error(
        403,
        "Unable to perform the requested action. You must have at least one of the following "
        "permissions assigned: %s in at least one of the following division(s): %s",
        ("[none]", "[none]"),
    ),
    "missing.any.permissions": Error(
        403,
        "Unable to perform the requested action. You must have at least one of the following "
        "permissions assigned: %s",
        ("[none]",),
    ),
    "missing.division.permission": Error(
        403,
        "Unable to perform the requested action. You are missing the following permission '%s' in "
        "the provided division(s).",
        ("none",),
    ),
    "missing.permissions": Error(
        403,
        "Unable to perform the requested action. You are missing the following permission(s): %s",
        ("[none]",),
    ),
    "not.authorized": Error(403, "You are not authorized to perform the requested action."),
    "not.found": Error(404, "The requested resource was not found."),
    "client.timeout": Error(
        408,
        "The client did not produce a request within the server timeout limit. This can be caused "
        "by a slow network connection and/or large payloads.",
    ),
    "request.conflict": Error(
        409, "The request conflicts with the current state of the target resource."
    ),
    "request.entity.too.large": Error(
        413, "The request is over the size limit. Maximum bytes: %s", (str(BODY_BYTES_MAX),)
    ),
    "unsupported.media.type": Error(
        415,
        "Unsupported Media Type - Unsupported or incorrect media type, such as an incorrect "
        "Content-Type value in the header.",
    ),
    "too.many.requests": Error(
        429, "Rate limit exceeded the maximum [%s] requests within [%s] seconds", ("300", "60")
    ),
    "too.many.requests.retry.after": Error(
        429, "Rate limit exceeded the maximum. Retry the request in [%s] seconds", ("1",)
    ),
    "internal.server.error": Error(
        500,
        "The server encountered an unexpected condition which prevented it from fulfilling the "
        "request.",
    ),
    "service.unavailable": Error(
        503,
        "Service Unavailable - The server is currently unavailable (because it is overloaded or "
        "down for maintenance).",
    ),
    "authentication.request.timeout": Error(504, "Authentication request timeout."),
    "request.timeout": Error(504, "The request timed out."),
}
"""What every operation of the definition may answer with."""
OF_OPERATIONS = {
    "active.conversation": Error(
        400, "An alerting or connected conversation is already in progress."
    ),
    # Declared without a sentence for operations that have a body; nothing says when it is sent.
    "client.failed.request": Error(400, "The client failed the request."),
    "communication.state.required": Error(
        400, "Can only update a communication's state to disconnected."
    ),
    "conversation.error.participant.no.active.conversations": Error(
        400, "Participant has no active conversations"
    ),
    "conversation.error.cannot.park.conversation.with.internal.message": Error(
        400, "Cannot park conversation with active internal message."
    ),
    "conversation.message.limit.exceeded": Error(
        400, "Conversation max message limit has been reached."
    ),
    "conversation.participant.update.invalid": Error(
        400, "Failed to update all properties on conversation participant."
    ),
    "existing.conversation": Error(
        400, "An existing conversation within the conversation window is in progress."
    ),
    "invalid.phone.number": Error(400, "The SMS phone number address is not a valid E.164 format."),
    "invalid.phone.numbers": Error(
        400, "SMS phone number addresses are not in a valid E.164 format."
    ),
    "invalid.webmessaging.text.body": Error(
        400, "The request needs a textBody not empty and under 4000 characters."
    ),
    "invalid.whatsapp.address": Error(
        400, "WhatsApp address must only contain numeric characters of destination phone number."
    ),
    "max.length.exceeded": Error(
        400, "One or more attributes is longer than the maximum length allowed."
    ),
    "media.too.large": Error(400, "Media must comply with the size limits of the channel"),
    "missing.open.channel.date": Error(400, "Missing open channel date."),
    "not.a.client": Error(
        400,
        "This request requires a non-user context. User token cannot be used for requests to this "
        "resource.",
    ),
    "not.a.user": Error(
        400,
        "This request requires a user context. Client credentials cannot be used for requests to "
        "this resource.",
    ),
    "parameters.missing": Error(400, "Parameters are missing"),
    "queue.address.required": Error(
        400, "The queue does not have an outbound messaging address configured."
    ),
    "queue.membership.required": Error(400, "Queue membership is invalid."),
    "response.missing.apple.invitation": Error(
        400,
        "The messaging response template is configured as AppleInvitation type but does not "
        "contain an appleInvitation object.",
    ),
    "conversation.error.conversation.not.found": Error(404, "The conversation does not exist."),
    "session.expired": Error(404, "The session has expired."),
    "session.not.found": Error(404, "Session was not found."),
    "organization.outbound.usage.limit.exceeded": Error(
        409, "Max outbound message usage exceeded."
    ),
    "payload.too.large": Error(413, "The response payload was too large."),
    "conversation.participant.update.failed": Error(
        500, "Failed to update all properties on conversation participant."
    ),
    "general.internal.server.error": Error(503, "An internal server error has occurred."),
    "division.authorization.timeout": Error(504, "Division authorization timed out."),
}
"""What single operations of the definition answer with beyond that."""
ERRORS = OF_THE_THREAD | STANDARD | OF_OPERATIONS


def rejection(code: str, *values: str, field: str = "") -> Rejection:
    """The rejection of a code, with these values in its sentence."""
    error = ERRORS[code]
    return Rejection(code, error.sentence % (values or error.values), field=field)
