"""What the simulated organisation has from the start: integrations, deployments, queues, a user."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.errors import rejection

MEDIA_TYPES = ("Image", "Video", "Audio", "File", "Link")


@dataclass(frozen=True, slots=True)
class Integration:
    """An open messaging integration.

    `has_agent` is whether somebody answers what comes in by it: at once, and always the
    organisation's user. `media_types` are those of attachments that its supported content lists.
    """

    id: str
    name: str
    is_active: bool = True
    has_agent: bool = True
    media_types: tuple[str, ...] = MEDIA_TYPES


@dataclass(frozen=True, slots=True)
class Deployment:
    """A web messaging deployment.

    `has_bot` and `has_agent` say who is there to answer guests. Where it is autostarted, a client
    begins the conversation without a message. With `is_read_only_at_end` a conversation that the
    other side ended takes no more messages; else the next one takes it up again. Guests of
    `allowed_domains` only, if there are any, may connect.
    """

    id: str
    name: str
    is_active: bool = True
    has_bot: bool = True
    has_agent: bool = True
    is_autostarted: bool = False
    is_read_only_at_end: bool = False
    allows_clear: bool = True
    allowed_domains: tuple[str, ...] = ()

    def allows(self, origin: str) -> bool:
        """Whether a page of this Origin may connect; some clients send it without a scheme."""
        host = origin.rpartition("://")[2].partition(":")[0].lower()
        return not self.allowed_domains or any(
            host == domain or host.endswith(f".{domain}") for domain in self.allowed_domains
        )


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue; `integration_id` is its outbound messaging address, "" for none."""

    id: str
    name: str
    integration_id: str = ""
    has_user: bool = True


@dataclass(frozen=True, slots=True)
class User:
    """The agent whose every user token is."""

    id: str
    name: str


USER = User("5c0d0000-0000-4000-8000-0000000000a1", "Convoy Agent")
INTEGRATIONS = {
    each.id: each
    for each in (
        Integration("5c0d0000-0000-4000-8000-0000000000b1", "Convoy open"),
        Integration("5c0d0000-0000-4000-8000-0000000000b2", "Convoy inactive", is_active=False),
        Integration("5c0d0000-0000-4000-8000-0000000000b3", "Convoy no agent", has_agent=False),
        Integration("5c0d0000-0000-4000-8000-0000000000b4", "Convoy text only", media_types=()),
    )
}
DEPLOYMENTS = {
    each.id: each
    for each in (
        Deployment("5c0d0000-0000-4000-8000-0000000000e1", "Convoy web"),
        Deployment("5c0d0000-0000-4000-8000-0000000000e2", "Convoy autostart", is_autostarted=True),
        Deployment("5c0d0000-0000-4000-8000-0000000000e3", "Convoy disabled", is_active=False),
        Deployment(
            "5c0d0000-0000-4000-8000-0000000000e4",
            "Convoy domains",
            allowed_domains=("example.com",),
        ),
        Deployment(
            "5c0d0000-0000-4000-8000-0000000000e5",
            "Convoy agents only",
            has_bot=False,
            allows_clear=False,
        ),
        Deployment(
            "5c0d0000-0000-4000-8000-0000000000e6",
            "Convoy read-only",
            is_read_only_at_end=True,
        ),
    )
}
QUEUES = {
    each.id: each
    for each in (
        Queue("5c0d0000-0000-4000-8000-0000000000c1", "Convoy", next(iter(INTEGRATIONS))),
        Queue("5c0d0000-0000-4000-8000-0000000000c2", "Convoy without address"),
        Queue(
            "5c0d0000-0000-4000-8000-0000000000c3",
            "Convoy without user",
            next(iter(INTEGRATIONS)),
            has_user=False,
        ),
    )
}
# What an integration that is there but not active answers is not documented.
INACTIVE = "request.conflict"
DEFAULT_QUEUE = next(iter(QUEUES.values()))
OTHER_SENDERS = {
    "sms": "+13175550100",
    "whatsapp": "5c0d0000-0000-4000-8000-0000000000d1",
    "webmessaging": "5c0d0000-0000-4000-8000-0000000000d2",
    "apple": "5c0d0000-0000-4000-8000-0000000000d3",
}
"""The one address of each other messenger type that the organisation can send from."""


def active_integration(integration_id: str, *, field: str = "") -> Integration:
    """The integration of that id; raises `Rejection` if there is none, or it is not active."""
    integration = INTEGRATIONS.get(integration_id)
    if integration is None:
        raise rejection("not.found", field=field)
    if not integration.is_active:
        raise rejection(INACTIVE, field=field)
    return integration
