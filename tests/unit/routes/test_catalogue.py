"""Paths of the remote API."""

from __future__ import annotations

from convoy.routes.catalogue import guest_messages


def test_a_guest_id_cannot_leave_its_place_in_the_path() -> None:
    path = guest_messages("a/b?c d\r\n")

    assert path == "/api/v2/webmessaging/guests/a%2Fb%3Fc%20d%0D%0A/conversations/messages"
