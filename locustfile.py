"""What runs: the scenarios imported here, under Convoy's hooks; `locust` reads this file."""

from __future__ import annotations

import locust  # isort: skip  # noqa: F401  # first: it patches sockets
import os

from convoy import terminal

terminal.take_over()  # before the imports below, which take most of a second

from convoy.plugin import hooks
from scenarios.agent_reply import AgentReply
from scenarios.agentless import Agentless
from scenarios.conversation_messages import ConversationMessages
from scenarios.guest_chat import GuestChat
from scenarios.guest_messages import GuestMessages
from scenarios.invalid_messages import InvalidMessages
from scenarios.open_messaging import OpenMessaging
from scenarios.reconnect_storm import ReconnectStorm

__all__ = [
    "AgentReply",
    "Agentless",
    "ConversationMessages",
    "GuestChat",
    "GuestMessages",
    "InvalidMessages",
    "OpenMessaging",
    "ReconnectStorm",
]

hooks.install(os.environ)
