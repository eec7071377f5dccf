"""The one text that every client of the round trips says, and to which deployment."""

from __future__ import annotations

DEPLOYMENT = "5c0d0000-0000-4000-8000-0000000000e5"
"""The simulator's without a bot: a message's own copy is all that comes back."""
TEXT = "[convoy:20261126-131325-965baf:guest_chat:14032] Could you tell me when it arrives, please?"
"""As long as Convoy's own are on average."""
