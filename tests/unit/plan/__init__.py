"""What is sent, when and to whom."""

from __future__ import annotations

from hypothesis import strategies as st

from convoy.plan.pool import Conversation, ConversationPool
from convoy.plan.rate_curve import RateCurve, Stage

CURVES = st.builds(
    lambda rate_from, rate_to, for_s: RateCurve([Stage(rate_from, rate_to, for_s)]),
    st.integers(0, 300),
    st.integers(1, 300),
    st.integers(1, 10),
)
"""Ramps and constant rates of up to 3,000 messages."""


def pool_of(size: int) -> ConversationPool:
    """Return a pool of conversations that know their participants."""
    return ConversationPool.of(
        [Conversation(f"conversation-{n}", f"customer-{n}", f"agent-{n}") for n in range(size)]
    )


def pool_with(*known: str | Conversation) -> ConversationPool:
    """Return a pool of conversations, of some of which no more than the id is known."""
    return ConversationPool.of(Conversation(x) if isinstance(x, str) else x for x in known)
