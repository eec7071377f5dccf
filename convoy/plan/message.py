"""A message of the plan."""

from __future__ import annotations

import msgspec

from convoy.plan.pool import Conversation


# A structure, and untracked by the collector: one is made per message.
class PlannedMessage(msgspec.Struct, frozen=True, gc=False):
    """One message of the plan, independent of any run: its author, conversation and text.

    `expected_code` is the error code that should answer it, empty where it should be accepted.
    """

    k: int
    author: int
    conversation: Conversation
    conversation_index: int
    is_redirected: bool
    template_name: str
    text: str
    expected_code: str = ""
