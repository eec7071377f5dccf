"""The one text that every client of the round trips says."""

from __future__ import annotations

TEXT = "[convoy:20261126-131325-965baf:guest_chat:14032] Could you tell me when it arrives, please?"
"""As long as Convoy's own are on average."""
