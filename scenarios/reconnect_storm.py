"""Scenario `reconnect_storm`: guests lose their connections with a message in flight, and return.

A burst is a stage of the plan: each message that is due is a guest that drops.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import partial
from itertools import count
from typing import ClassVar

import gevent
from locust import task

from convoy.clock import clock_s
from convoy.errors import RefusalError, RemoteError, WireError
from convoy.plan.draws import stream_key
from convoy.plugin.guest_user import GuestUser, Message
from convoy.prepare.scenarios import RECONNECTED
from convoy.remote.guest_events import Event, Jwt, OwnCopy, Reply
from convoy.remote.guest_protocol import GuestProtocol, text_message
from convoy.remote.guest_rest import HistorySearch, read_history
from convoy.results.outcome import ACCEPTED, UNKNOWN, Attempt
from convoy.routes.codes import HISTORY_INCOMPLETE, MESSAGE_LOST, UPGRADE_REFUSED
from convoy.settings.model import Reconnect

_MARKER = re.compile(r"\[convoy:[^\]]+\]")
_LOOKS_AFTER_S = (0.0, 1.0, 4.0)
"""A history that is read at once may lag behind; it may be read ten times a minute."""


class ReconnectStorm(GuestUser):
    """Sends a message and drops, comes back by the policy, and looks the message up.

    It is accepted once the guest's history has it, or its copy has come. All that takes no longer
    than a message may.
    """

    scenario = "reconnect_storm"
    steps = ("connect", "configure", "reconnect", "history", "disturbance")
    optional_steps: ClassVar = {"join": ()}
    timings = (RECONNECTED,)
    _in_flight = ""
    _has_copy = False

    def on_start(self) -> None:
        self._told: set[str] = set()
        super().on_start()
        assert self._run is not None
        settings = self._run.inputs.settings
        self._obeys = settings.on_limit == "obey"
        self._reconnect = settings.scenario[self.scenario].reconnect or Reconnect()
        self._key = stream_key(settings.seed, self.scenario, "reconnect")
        self._greet()

    def _greet(self) -> None:
        """Begin a conversation, so that there is a history to come back to."""
        text = f"[convoy:{self._work.run_id}-steps:{self.scenario}:0] Hello"
        with suppress(RemoteError):
            self._told.add(self.session.say(text_message(text)).message_id)

    @task
    def drop_and_return(self) -> None:
        self.post(self.next_message())

    def send(self, message: Message) -> Attempt:
        id, began_s = self.tracing_id(message), clock_s()
        deadline_s = began_s + self.timeout_s
        self._note_loss()
        if not self.session.is_known:
            self._told.clear()
        if fault := self._go_on(deadline_s):
            return self._failed(fault, began_s)
        waited_s = clock_s() - began_s
        self._in_flight, self._has_copy = id, False
        is_cut = self._reconnect.drop == "cut"
        sent_s = self.session.drop(id, message.body, deadline_s, is_cut=is_cut)
        self._ended = self.session.socket  # by the guest, so that it is no loss
        self.note_sent(RECONNECTED, id, sent_s)
        fault = self._come_back(message.due.k, deadline_s)
        if fault is None:
            self.note_received(RECONNECTED, id)
            fault = self._look_up(message, deadline_s)
        if fault is None or self._has_copy:
            return Attempt(ACCEPTED, "", sent_s, clock_s(), waited_s=waited_s)
        return Attempt(UNKNOWN, fault.code, sent_s, clock_s(), waited_s=waited_s)

    def _come_back(self, k: int, deadline_s: float) -> RemoteError | None:
        """Try to come back until it succeeds; return why it did not.

        No more is tried where the deployment takes no guest or the session is over, as the
        published clients do.
        """
        fault: RemoteError | None = None
        for tries in count():
            pause_s = self._reconnect.pause_s(self._key, k, tries)
            if fault is not None and self._obeys:
                pause_s = max(pause_s, fault.retry_after_s or 0.0)
            now_s = clock_s()
            if now_s + pause_s >= deadline_s:
                return fault or WireError("timeout", "", sent_s=None, done_s=now_s)
            gevent.sleep(pause_s)
            fault = self._go_on(deadline_s)
            if fault is None or fault.code == UPGRADE_REFUSED or not self.session.is_known:
                return fault
        raise AssertionError("count has no end")

    def _look_up(self, message: Message, deadline_s: float) -> RemoteError | None:
        """Compare the history with what the guest knows; return why its message is not there."""
        told, text = frozenset(self._told), json.loads(message.body)["text"]
        marker = _MARKER.search(text)  # the service may have changed what stands around it
        search = HistorySearch(told, marker[0] if marker else text)
        fault = self._try("history", lambda times: self._search(search, deadline_s))
        if fault is None or fault.code == HISTORY_INCOMPLETE:
            self._told -= told
            fault = None if search.has_text else RefusalError(MESSAGE_LOST)
        return fault

    def _search(self, search: HistorySearch, deadline_s: float) -> None:
        assert self._run is not None
        connections = self._run.connections
        guests = connections.guests_of(self.variables)
        self.session.connection.check_ready()
        jwt = self.session.request(GuestProtocol.get_jwt, Jwt, deadline_s).jwt
        for pause_s in _LOOKS_AFTER_S:
            if clock_s() + pause_s >= deadline_s:
                break
            gevent.sleep(pause_s)
            search.take_pages(partial(read_history, guests, connections.api, jwt, deadline_s))
            if search.is_over:
                return
        if search.ids:
            raise RefusalError(HISTORY_INCOMPLETE)

    def hear(self, event: Event, received_s: float) -> None:
        """Keep what the guest is told, which its history should have."""
        if isinstance(event, OwnCopy) and event.tracing_id == self._in_flight:
            self._has_copy = True
        if isinstance(event, Reply) and event.message_id:
            self._told.add(event.message_id)
