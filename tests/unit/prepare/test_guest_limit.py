"""The limits of guests, compared with what they will send and how often they come."""

from __future__ import annotations

import pytest

from convoy.prepare.checklist import Checklist, Status
from convoy.prepare.guest_limit import check_guests, guest_line, guest_shortfalls
from convoy.settings import Settings
from convoy.settings.model import Approval
from tests.unit.settings.configuration import settings_of

CHAT = "guest_chat"
OF = f"scenario.{CHAT}"
EACH_STEP = "typing, answer, join, attachment, history"
LIMITS = {
    "session": "{scope: session, count: 2, per_s: 1}",
    "connection": "{scope: connection, count: 60, per_s: 60}",
    "deployment": "{scope: deployment, count: 1000, per_s: 60}",
}
GUESTS = ("scenarios=[guest_chat]", "run_time_s=300", "warm_up_s=0", "users=10")


def limited(*scopes: str) -> str:
    return f"limits=[{', '.join(LIMITS[each] for each in scopes)}]"


def each(messages: int) -> str:
    return f'{OF}.variables={{deployment_id: d, messages_per_guest: "{messages}"}}'


def dialogue(messages: int, requests: int, lasts_s: float) -> str:
    longest = f"{{messages: {messages}, requests: {requests}, lasts_s: {lasts_s}}}"
    return f"{OF}.longest_dialogue={longest}"


@pytest.mark.parametrize(
    ("settings", "spawn_rate", "told", "fix"),
    [
        pytest.param((limited("session"), "rate=20"), None, "", "", id="just as many"),
        pytest.param(
            (limited("session"), "rate=50"),
            None,
            "50 messages/s need 25 guests, you have 10: the limit of 2 per 1 s by session allows "
            "each 2 a second: messages will be late",
            "write -u 25 or --rate 20",
            id="a session's rate",
        ),
        pytest.param(
            (limited("session"), "rate=20", dialogue(3, 4, 0)),
            None,
            "20 messages/s need 40 guests, you have 10: the limit of 2 per 1 s by session allows "
            "each 0.5 a second, at 4 messages of the longest dialogue: messages will be late or "
            "not sent by cause limits or target",
            "write -u 40 or --rate 5",
            id="a session's rate with dialogues",
        ),
        pytest.param(
            (limited("connection"), "rate=5", dialogue(3, 4, 0), each(100)),
            None,
            "5 messages/s need 26 guests, you have 10: the limit of 60 per 60 s by connection",
            "write -u 26 or --rate 1.99",
            id="a connection's rate with dialogues",
        ),
        pytest.param(
            (limited("session"), "rate=1", dialogue(3, 4, 12)),
            None,
            "1 messages/s need 12 guests, you have 10: the longest dialogue takes 12 s at least",
            "write -u 12, with room for replies, or lower the rate",
            id="dialogues take long",
        ),
        pytest.param(
            (limited("session"), "rate=1", dialogue(3, 4, 10)), None, "", "", id="just long enough"
        ),
        pytest.param(
            (limited("session"), "rate=5", "users=1"),
            None,
            "5 messages/s need 3 guests, you have 1",
            "write -u 3 or --rate 2",
            id="a single guest",
        ),
        pytest.param(
            ("limits=[{scope: session, count: 3, per_s: 10}]", "rate=2.1", "users=7"),
            None,
            "",
            "",
            id="just as many, but for rounding",
        ),
        pytest.param(
            (limited("session"), "rate=50", "on_limit=count"),
            None,
            "messages will be refused with 429",
            "write -u 25 or --rate 20",
            id="a session's rate, not obeyed",
        ),
        pytest.param(
            (limited("session"), "stages=[{rate: 5, for_s: 9}, {to: 42, for_s: 9}]"),
            None,
            "42 messages/s need 21 guests",
            "write -u 21",
            id="the highest of stages",
        ),
        pytest.param(
            (limited("session"), "rate=30", "scenarios=[guest_chat, conversation_messages]"),
            None,
            "15 messages/s need 8 guests, you have 5",
            "write -u 16",
            id="beside another scenario",
        ),
        pytest.param(
            (limited("connection"), "rate=19", each(30)), None, "", "", id="guests who leave before"
        ),
        pytest.param(
            (limited("connection"), "rate=12", each(100)),
            None,
            "12 messages/s need 13 guests, you have 10: the limit of 60 per 60 s by connection "
            "allows each 0.99 a second, at 1.01 requests a message",
            "write -u 13 or --rate 9.9",
            id="a connection's requests",
        ),
        pytest.param(
            (limited("connection"), "rate=10", each(100), f"{OF}.steps=[typing]"),
            None,
            "need 21 guests, you have 10",
            "write -u 21 or --rate 4.97",
            id="steps on a connection",
        ),
        pytest.param(
            (limited("connection"), "rate=19", each(59)), None, "", "", id="guests who just fill it"
        ),
        pytest.param(
            (limited("connection"), "rate=5", each(20), f"{OF}.steps=[{EACH_STEP}]"),
            None,
            "need 17 guests, you have 10: the limit of 60 per 60 s by connection allows each 0.308 "
            "a second, at 3.25 requests a message",
            "write -u 17 or --rate 3.07",
            id="steps of each message and of each guest",
        ),
        pytest.param((limited("deployment"), "rate=10"), None, "", "", id="few connections"),
        pytest.param(
            (limited("deployment"), "users=2000"),
            None,
            "2,000 guests begin within 60 s, and the limit of 1,000 per 60 s by deployment",
            "write -r 16.66",
            id="all at once",
        ),
        pytest.param((limited("deployment"), "users=2000"), 16.6, "", "", id="one by one"),
        pytest.param(
            (limited("deployment"), "users=2000"),
            20.0,
            "1,200 guests begin within 60 s",
            "write -r 16.66",
            id="one by one, too fast",
        ),
        pytest.param(
            (limited("deployment"), "users=500", "rate=250"),
            None,
            "begin as another guest 3,000 times in 60 s",
            f"write --set '{OF}.variables.messages_per_guest=\"15\"'",
            id="guests who stay too short",
        ),
        pytest.param(
            (limited("deployment"), "users=500", "rate=250", "run_time_s=10"),
            None,
            "",
            "",
            id="a short run",
        ),
        pytest.param(("limits=[]", "rate=900"), None, "", "", id="without limits"),
        pytest.param(
            (limited("session"), "rate=max"),
            None,
            "will hold rate: max back",
            "--set limits=[] takes them away",
            id="flat out",
        ),
    ],
)
def test_what_guests_lack_is_said_with_the_number_to_write(
    settings: tuple[str, ...], spawn_rate: float | None, told: str, fix: str
) -> None:
    found = list(guest_shortfalls(settings_of(*GUESTS, *settings), [CHAT], spawn_rate))

    if not told:
        assert found == []
        return
    assert len(found) == 1 and told in found[0][0], found
    assert found[0][1] == fix


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        pytest.param(
            (limited("session", "connection", "deployment"), "rate=7"),
            "guest_chat: 7 messages/s need 4 guests, you have 10, which may send 20 messages a "
            "second",
            id="enough",
        ),
        pytest.param(
            ("limits=[]", "rate=7"),
            "guest_chat: 7 messages/s need 1 guest, you have 10, which may send as much as they "
            "can",
            id="without limits",
        ),
        pytest.param(
            (limited("session"), "rate=max"),
            "guest_chat: no rate is asked for, you have 10, which may send 20 messages a second",
            id="flat out",
        ),
    ],
)
def test_the_line_says_what_guests_need_and_may(settings: tuple[str, ...], line: str) -> None:
    assert guest_line(settings_of(*GUESTS, *settings), [CHAT]) == line


def test_what_guests_lack_is_a_warning_in_the_list_of_checks() -> None:
    few, enough = Checklist(), Checklist()

    for rate, checklist in ((50, few), (20, enough)):
        settings = settings_of(*GUESTS, limited("session"), f"rate={rate}")
        check_guests(settings, [CHAT], None, checklist)

    assert [each.status for each in few.findings] == [Status.WARNING]
    assert [each.status for each in enough.findings] == [Status.OK]


STORM = "reconnect_storm"
BURSTS = (
    "stages=[{rate: 0, for_s: 9}, {rate: 80, for_s: 1}, {rate: 0, for_s: 9}, {to: 40, for_s: 2}]"
)


@pytest.mark.parametrize(
    ("settings", "told", "fix"),
    [
        pytest.param(("users=80", BURSTS), "", "", id="as many as drop at once"),
        pytest.param(
            ("users=79", BURSTS),
            "reconnect_storm: 80 guests are to drop within 5 s, before which none is back, and you "
            "have 79: messages will not be sent",
            "write -u 80, or let fewer drop at once",
            id="a burst of more",
        ),
        pytest.param(
            ("users=100", "rate=25", f"scenario.{STORM}.reconnect.wait_s=10"),
            "250 guests are to drop within 10 s",
            "write -u 250, or let fewer drop at once",
            id="one after the other",
        ),
        pytest.param(
            ("users=900", BURSTS, "limits=[{scope: deployment, count: 100, per_s: 20}]"),
            "users come back 120 times in 20 s, and the limit of 100 per 20 s by deployment is on",
            "let fewer drop in that time",
            id="more than the deployment lets in",
        ),
        pytest.param(("users=1", "arrivals=closed", "rate=9"), "", "", id="at their own pace"),
    ],
)
def test_what_guests_lack_who_drop_is_said(settings: tuple[str, ...], told: str, fix: str) -> None:
    given = settings_of("scenarios=[reconnect_storm]", "limits=[]", "warm_up_s=0", *settings)

    found = list(guest_shortfalls(given, [STORM], spawn_rate=1))

    assert [each[1] for each in found] == [fix] * bool(told)
    assert all(told in each[0] for each in found), found


DROPS = f"scenarios=[{STORM}]"


@pytest.mark.parametrize(
    ("load", "line"),
    [
        ("rate=25", "at most 125 guests drop within 5 s, you have 10"),
        ("arrivals=closed", "no rate is asked for, you have 10, which may send as much as"),
    ],
)
def test_the_line_says_how_many_drop_at_once(load: str, line: str) -> None:
    settings = settings_of(*GUESTS, DROPS, "limits=[]", load)

    assert guest_line(settings, [STORM]).startswith(f"{STORM}: {line}")


def approved(*settings: str, logins_per_s: float | None = None) -> Settings:
    found = settings_of(*GUESTS, "limits=[]", *settings)
    approval = Approval(
        ticket="T-1", organisation_id="o", highest_rate=100, logins_per_s=logins_per_s
    )
    target = found.target.model_copy(update={"approval": approval})
    return found.model_copy(update={"target": target})


@pytest.mark.parametrize(
    ("settings", "logins_per_s", "spawn_rate", "told", "fix"),
    [
        pytest.param(("users=272", "rate=5"), None, None, "", "", id="just in time"),
        pytest.param(
            ("users=273", "rate=5"),
            None,
            None,
            "273 guests take 60 s to connect, and approval T-1 allows 5 logins a second, each "
            "second taken a tenth longer",
            "write --set prepare_timeout_s=67, or fewer users, or have more approved",
            id="too many for the time to prepare",
        ),
        pytest.param(("users=400", "rate=5"), None, 10.0, "", "", id="they start one by one"),
        pytest.param(
            ("users=20", "rate=20", each(2)),
            4.0,
            None,
            "users begin as another guest 10 times a second, and approval T-1 allows 4 logins a "
            "second, each second taken a tenth longer",
            "write --set 'scenario.guest_chat.variables.messages_per_guest=\"6\"', or have more "
            "approved",
            id="other guests too often",
        ),
        pytest.param(("rate=20", each(6)), 4.0, None, "", "", id="just as often"),
        pytest.param(("arrivals=closed", each(1)), 0.5, None, "", "", id="at their own pace"),
        pytest.param(
            (DROPS, "users=60", "rate=6", "request_timeout_s=10"),
            5.0,
            None,
            "guests come back 60 times in 10 s, and approval T-1 allows 5 logins a second, each "
            "second taken a tenth longer",
            "let fewer drop in that time, or have more approved",
            id="more drop than may come back",
        ),
        pytest.param((DROPS, "users=60", "rate=4"), 5.0, None, "", "", id="few enough drop"),
    ],
)
def test_guests_connect_as_often_as_is_approved(
    settings: tuple[str, ...],
    logins_per_s: float | None,
    spawn_rate: float | None,
    told: str,
    fix: str,
) -> None:
    checklist = Checklist()
    of_run = approved(*settings, logins_per_s=logins_per_s)
    check_guests(of_run, list(of_run.scenarios), spawn_rate, checklist)

    found = [each for each in checklist.findings if each.status is Status.FAILURE]
    assert [(each.told, each.fix) for each in found] == ([(told, fix)] if told else [])


def test_without_an_approval_guests_connect_at_once() -> None:
    checklist = Checklist()
    settings = settings_of(*GUESTS, "limits=[]", "users=10000", "rate=500", each(1))
    check_guests(settings, [CHAT], None, checklist)

    assert not [each for each in checklist.findings if each.status is Status.FAILURE]
    assert "connect within" not in guest_line(settings, [CHAT])
    line = "; they connect within 4 s, at the approved 5 logins a second"
    assert guest_line(approved("users=20", "rate=5"), [CHAT]).endswith(line)
