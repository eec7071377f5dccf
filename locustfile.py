"""What runs: the scenarios imported here, under Convoy's hooks; `locust` reads this file."""

from __future__ import annotations

import locust  # isort: skip  # noqa: F401  # first: it patches sockets
import os

from convoy.swarm import hooks
from scenarios.conversation_messages import ConversationMessages

__all__ = ["ConversationMessages"]

hooks.install(os.environ)
