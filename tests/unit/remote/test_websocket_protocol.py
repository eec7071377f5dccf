"""A WebSocket's protocol without a socket: frames of every form, however they are cut."""

from __future__ import annotations

import logging
import re
import struct

import pytest
import wsproto
from websockets.utils import accept_key
from wsproto.events import AcceptConnection, Request, TextMessage

from convoy.remote.websocket_protocol import WebSocketProtocol
from convoy.remote.wire_faults import wire_code
from convoy.settings import Origin
from tests.unit.remote.websocket_peer import BINARY, CONTINUATION, PING, SWITCHING, TEXT, framed

HI = framed(b"Hi")
LONG = b"a" * 300
LONGER = b"b" * 70_000


def upgraded(after: bytes = b"", piece: int = 4096) -> WebSocketProtocol:
    """Return the protocol once it is upgraded, by an answer that `after` follows at once."""
    protocol = WebSocketProtocol(Origin("http", "x.example", 80), "/v1")
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", protocol.upgrade({}))
    assert key is not None
    accept = accept_key(key[1].decode()).encode()
    answer = SWITCHING + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + after
    headers = None
    while headers is None:
        headers, answer = protocol.read_upgrade(answer[:piece]), answer[piece:]
    assert not answer
    return protocol


def read(protocol: WebSocketProtocol, *pieces: bytes) -> tuple[list[str], str, bytes]:
    """Return what came of the pieces: texts, the code of the fault, what is sent in answer."""
    all_texts: list[str] = []
    answers = b""
    for piece in pieces:
        if protocol.fault is None:
            texts, answer = protocol.receive(piece, is_ended=False)
            all_texts += texts
            answers += answer
    return all_texts, wire_code(protocol.fault) if protocol.fault else "", answers


def in_pieces(text: bytes, *between: bytes) -> bytes:
    half = len(text) // 2
    first, last = framed(text[:half], TEXT, fin=False), framed(text[half:], CONTINUATION)
    return first + b"".join(between) + last


def masked(data: bytes) -> bytes:
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data


def test_the_package_logs_no_frames_because_it_cuts_what_is_in_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    read(upgraded(), in_pieces(b"Hello", framed(b"?", PING)))

    assert caplog.messages == []


READ: dict[str, tuple[bytes, list[str]]] = {
    "one": (HI, ["Hi"]),
    "several": (HI * 3, ["Hi"] * 3),
    "an empty one": (framed(b"") + HI, ["", "Hi"]),
    "one byte": (framed(b"1") + HI, ["1", "Hi"]),
    "other letters": (framed("Grüße 🙂".encode()) + HI, ["Grüße 🙂", "Hi"]),
    "the longest short one": (framed(LONG[:125]) + HI, ["a" * 125, "Hi"]),
    "the shortest longer one": (framed(LONG[:126]) + HI, ["a" * 126, "Hi"]),
    "with two bytes of length": (framed(LONG) + HI, ["a" * 300, "Hi"]),
    "with eight bytes of length": (framed(LONGER) + HI, [LONGER.decode(), "Hi"]),
    "a padded length": (b"\x81\x7e\x00\x02Hi" + HI + HI, ["Hi"] * 3),
    "in pieces": (in_pieces("Grüße".encode()) + HI, ["Grüße", "Hi"]),
    "a ping": (framed(b"?", PING) + HI, ["Hi"]),
    "a ping between texts": (HI + framed(b"?", PING) + HI, ["Hi", "Hi"]),
    "a ping between pieces": (in_pieces(b"Hello", framed(b"?", PING)) + HI, ["Hello", "Hi"]),
    "a pong nobody asked for": (framed(b"", 10) + HI, ["Hi"]),
}
BROKEN: dict[str, tuple[bytes, list[str], str, int]] = {
    "masked": (masked(b"Hi"), [], "malformed answer", 1002),
    "masked after a text": (HI + masked(b"Hi") + HI, ["Hi"], "malformed answer", 1002),
    "compressed": (HI + framed(b"\0", reserved=4) + HI, ["Hi"], "malformed answer", 1002),
    "binary": (HI + framed(b"{}", BINARY) + HI, ["Hi"], "malformed answer", 1003),
    "no UTF-8": (HI + framed(b'"\xff"') + HI, ["Hi"], "malformed answer", 1007),
    "no UTF-8 in pieces": (in_pieces(b'"\xff"') + HI, [], "malformed answer", 1007),
    "half a letter": (framed("ü".encode()[:1] + b"ab"), [], "malformed answer", 1007),
    "a text between pieces": (in_pieces(b"Hello", HI), [], "malformed answer", 1002),
    "a piece of nothing": (HI + framed(b"x", CONTINUATION), ["Hi"], "malformed answer", 1002),
    "an unknown kind": (HI + framed(b"x", 3), ["Hi"], "malformed answer", 1002),
    "a ping in pieces": (framed(b"x", PING, fin=False), [], "malformed answer", 1002),
    "a long ping": (framed(LONG, PING), [], "malformed answer", 1002),
    "too large": (HI + b"\x81\x7f" + struct.pack("!Q", 2**40), ["Hi"], "answer too large", 1009),
    "a close": (HI + framed(struct.pack("!H", 1012), 8) + HI, ["Hi"], "connection closed", 1012),
}
CUTS = {"whole": 2**20, "in single bytes": 1, "in twos": 2, "in threes": 3, "in sevens": 7}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(("data", "texts"), READ.values(), ids=READ)
def test_texts_are_read_however_they_are_framed_and_cut(
    data: bytes, texts: list[str], cut: int
) -> None:
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]

    protocol = upgraded()
    told, fault, answer = read(protocol, *pieces)

    assert (told, fault, protocol.is_open) == (texts, "", True)
    assert (answer[:2] == b"\x8a\x81") == (framed(b"?", PING) in data), "a pong to each ping"


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(("data", "texts", "code", "close"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_rules_ends_it_after_what_came_before(
    data: bytes, texts: list[str], code: str, close: int, cut: int
) -> None:
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]

    protocol = upgraded()
    told, fault, answer = read(protocol, *pieces)

    assert (told, fault, protocol.is_open) == (texts, code, False)
    mask = answer[2:6]
    sent = bytes(each ^ mask[at % 4] for at, each in enumerate(answer[6:8]))
    assert (answer[0], struct.unpack("!H", sent)) == (0x88, (close,))


@pytest.mark.parametrize("after", [b"", HI, HI[:1], HI + HI[:3], framed(LONG)[:200]])
@pytest.mark.parametrize("piece", [1, 5, 4096])
def test_frames_may_follow_the_answer_at_once(after: bytes, piece: int) -> None:
    data = framed(LONG) if after == framed(LONG)[:200] else HI * 3
    came = after if piece == 4096 else b""

    protocol = upgraded(came, piece)
    told, fault, _ = read(protocol, b"", data[len(came) :])

    assert (told, fault) == ([LONG.decode()] if data == framed(LONG) else ["Hi"] * 3, "")


def test_an_answer_whose_first_frame_holds_another_end_of_a_head_is_told_from_it() -> None:
    frame = framed(b"1\r\n\r\n" + HI)

    protocol = upgraded(frame[:7])
    told, fault, _ = read(protocol, b"", frame[7:])

    assert (told, fault) == ([], "malformed answer"), "the text holds the frame, and is no UTF-8"


def test_a_whole_text_between_pieces_is_a_fault_where_it_comes_alone() -> None:
    protocol = upgraded()

    told, fault, _ = read(protocol, framed(b"He", fin=False), HI)

    assert (told, fault) == ([], "malformed answer")


def test_an_end_within_a_frame_is_a_fault() -> None:
    for begun in (b"", HI, HI[:1], HI[:3]):
        protocol = upgraded()
        protocol.receive(begun, is_ended=True)
        assert wire_code(protocol.fault or Exception()) == "connection closed"
        assert not protocol.is_open


def test_whole_texts_do_not_pass_through_the_package_once_it_has_read_what_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(data: bytes) -> None:
        raise AssertionError(f"{data!r} was given to the package")

    ping = framed(b"?", PING)
    for before in (b"", HI, in_pieces(b"Hello"), ping, ping + framed(LONG), ping + framed(LONGER)):
        protocol = upgraded()
        read(protocol, before[:9], before[9:])
        monkeypatch.setattr(protocol._protocol, "receive_data", refuse)
        assert read(protocol, HI + HI) == (["Hi", "Hi"], "", b"")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_text_is_sent_masked_whatever_its_length(size: int) -> None:
    server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    protocol = WebSocketProtocol(Origin("http", "x.example", 80), "/v1")
    server.receive_data(protocol.upgrade({"X-Test": "1"}))
    (asked,) = server.events()
    assert isinstance(asked, Request) and (b"x-test", b"1") in asked.extra_headers
    assert protocol.read_upgrade(server.send(AcceptConnection())) is not None
    text = ("Grüße " * size).encode()[:size].decode(errors="ignore").ljust(size, ".")[:size]
    data = text.encode()

    sent = [protocol.text(data) for _ in range(40)]

    for each in sent:
        server.receive_data(each)
    heard = [event for event in server.events() if isinstance(event, TextMessage)]
    assert "".join(event.data for event in heard) == text * 40
    at = 2 if len(data) < 126 else 4 if len(data) < 65_536 else 10
    assert len({each[at : at + 4] for each in sent}) == 40, "a new mask for each frame"
