"""The guard: load goes to this machine, to a simulator, or where it is approved, and no faster."""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convoy.errors import ExitCode, RefusedError
from convoy.prepare.guard import (
    IsSimulator,
    addresses_of,
    check_organisation,
    check_own_targets,
    check_plan,
    check_processes,
    check_rate,
    check_region,
    check_target,
    check_total,
    check_users,
    check_window,
    window_of,
)
from convoy.remote.addresses import Admission
from convoy.secrets import Secret
from convoy.settings import Settings
from convoy.settings.model import Approval
from tests.unit.remote.proxy_server import name_proxies
from tests.unit.settings.configuration import settings_of

ADDRESSES = {
    "127.0.0.1": ["127.0.0.1"],
    "localhost": ["127.0.0.1", "::1"],
    "::1": ["::1"],
    "loopback.test": ["127.8.8.8"],
    "zone.test": ["::1%lo"],
    "api.test": ["192.0.2.10"],
    "login.test": ["192.0.2.11"],
    "half.test": ["127.0.0.1", "192.0.2.12"],
    "two.test": ["192.0.2.10", "192.0.2.12"],
    "nothing.test": [],
    "proxy.test": ["127.0.0.1"],
}


def resolve(host: str) -> list[str]:
    if host not in ADDRESSES:
        raise OSError("Name or service not known")
    return ADDRESSES[host]


def settings_for(
    api_url: str,
    login_url: str = "http://localhost:1",
    *,
    highest: float | None = None,
    load: str = "rate=100",
    **approved: Any,
) -> Settings:
    settings = settings_of(load, "run_time_s=10")
    approval = None
    if highest is not None:
        approval = Approval(
            ticket="1234", organisation_id="an id", highest_rate=highest, **approved
        )
    changes = {"api_url": api_url, "login_url": login_url, "approval": approval}
    return settings.model_copy(update={"target": settings.target.model_copy(update=changes)})


def with_guests_at(settings: Settings, url: str) -> Settings:
    target = settings.target.model_copy(update={"messaging_url": url})
    return settings.model_copy(update={"target": target})


def refused(said: str) -> AbstractContextManager[object]:
    """Expect a refusal that says this, or none where it is empty."""
    return pytest.raises(RefusedError, match=said) if said else nullcontext()


KEY = Secret("0123456789abcdef")


def knows(*urls: str, but: str = "") -> IsSimulator:
    """Simulators with the key, at these addresses; one that a name stands for as well is none."""

    def is_simulator(url: str, key: Secret, *, admission: Admission) -> bool:
        assert key is KEY
        with suppress(OSError):
            admission.check("", but)
            return False
        return url in urls

    return is_simulator


def refusal_of(settings: Settings, simulators: tuple[str, ...] = ()) -> str:
    """Return why load is refused, an empty text if it is not."""
    admission = Admission()
    try:
        check_target(settings, admission, KEY, resolve=resolve, is_simulator=knows(*simulators))
    except RefusedError as error:
        assert error.exit_code is ExitCode.REFUSED
        return str(error)
    return ""


@pytest.mark.parametrize(
    "api_url",
    [
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
        "https://loopback.test",
        "https://zone.test",
    ],
)
def test_load_may_go_to_this_machine(api_url: str) -> None:
    assert refusal_of(settings_for(api_url)) == ""


def test_guests_may_write_nowhere_else_either() -> None:
    here = settings_for("http://localhost:1")

    assert refusal_of(with_guests_at(here, "http://localhost:2")) == ""
    assert "https://api.test" in refusal_of(with_guests_at(here, "https://api.test"))


def test_a_worker_is_sent_to_no_other_host_for_guests() -> None:
    own = settings_for("http://localhost:1")
    check_own_targets(own, [own])

    with refused("no target file of this worker"):
        check_own_targets(with_guests_at(own, "https://api.test"), [own])


@pytest.mark.parametrize(
    ("api_url", "login_url"),
    [
        pytest.param("https://api.test", "https://login.test", id="elsewhere"),
        pytest.param("https://api.test", "http://localhost:1", id="the API elsewhere"),
        pytest.param("http://localhost:1", "https://login.test", id="the login elsewhere"),
        pytest.param("https://half.test", "http://localhost:1", id="one address elsewhere"),
        pytest.param("https://nothing.test", "http://localhost:1", id="no address"),
    ],
)
def test_load_may_go_nowhere_else_by_itself(api_url: str, login_url: str) -> None:
    refusal = refusal_of(settings_for(api_url, login_url))

    elsewhere = login_url if "localhost" in api_url else api_url
    assert elsewhere in refusal
    for word in ("approval", "ticket", "organisation_id", "highest_rate"):
        assert word in refusal


def test_load_may_go_to_a_simulator_on_another_machine() -> None:
    settings = settings_for("https://api.test", "https://login.test")

    assert refusal_of(settings, simulators=("https://api.test", "https://login.test")) == ""
    assert "https://login.test" in refusal_of(settings, simulators=("https://api.test",))


@pytest.mark.parametrize("host", ["two.test", "half.test"])
def test_a_simulator_that_proves_it_at_one_address_of_its_name_proves_nothing_for_the_others(
    host: str,
) -> None:
    url, admission = f"https://{host}", Admission()
    other = knows(url, but="192.0.2.12")

    with pytest.raises(RefusedError, match="nor, at each of its addresses, a simulator"):
        check_target(settings_for(url), admission, KEY, resolve=resolve, is_simulator=other)

    with pytest.raises(OSError):
        admission.check(host, "192.0.2.10")


def test_addresses_of_a_simulator_on_another_machine_are_admitted_and_no_others() -> None:
    settings, admission = settings_for("https://api.test"), Admission()

    check_target(settings, admission, KEY, resolve=resolve, is_simulator=knows("https://api.test"))

    admission.check("api.test", "192.0.2.10")
    with pytest.raises(OSError, match=r"api\.test stands for 192\.0\.2\.11"):
        admission.check("api.test", "192.0.2.11")


@pytest.mark.parametrize(
    ("urls", "refused"),
    [
        (("http://api.test", "https://login.test", None), "api_url"),
        (("https://api.test", "http://api.mypurecloud.de:80", None), "login_url"),
        (("https://api.test", "https://login.test", "http://192.0.2.1"), "messaging_url"),
        (("http://gw.localhost:1", "https://login.test", None), "api_url"),
        (("http://localhost:1", "http://127.0.0.1:2", "http://[::1]:3"), ""),
    ],
)
def test_credentials_go_to_an_approved_target_by_https_alone(
    urls: tuple[str, str, str | None], refused: str
) -> None:
    settings = settings_for(urls[0], urls[1], highest=50)
    if urls[2] is not None:
        settings = with_guests_at(settings, urls[2])

    said = refusal_of(settings)

    assert (f"{refused} of target " in said and "in clear" in said) if refused else said == ""


def test_without_a_key_nothing_on_another_machine_is_a_simulator() -> None:
    with pytest.raises(
        RefusedError, match="nor, .*a simulator that has the key of CONVOY_SIMULATOR"
    ):
        check_target(
            settings_for("https://api.test"),
            Admission(),
            None,
            resolve=resolve,
            is_simulator=knows("https://api.test"),
        )


def test_load_may_go_where_it_is_approved_without_asking_there() -> None:
    asked: list[str] = []

    def ask(what: str) -> list[str]:
        asked.append(what)
        return []

    check_target(
        settings_for("https://api.test", "https://login.test", highest=50),
        Admission(anywhere=True),
        KEY,
        resolve=ask,
        is_simulator=lambda url, key, admission: bool(ask(url)),
    )

    assert asked == []


def test_a_name_that_cannot_be_resolved_is_refused_and_named() -> None:
    refusal = refusal_of(settings_for("https://mistyped.test:8443"))

    assert "'mistyped.test'" in refusal
    assert "https://mistyped.test:8443" in refusal
    assert "Name or service not known" in refusal


def test_the_system_resolves_addresses_of_this_machine() -> None:
    assert set(addresses_of("127.0.0.1")) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("load", "highest"),
    [
        pytest.param("rate=100", None, id="no approval"),
        pytest.param("rate=max", None, id="flat out without one"),
        pytest.param("rate=100", 100.0, id="just as much"),
        pytest.param("stages=[{to: 80, for_s: 5}, {rate: 40, for_s: 5}]", 80.0, id="a peak"),
        pytest.param("stages=[{rate: 5, for_s: 10}, {to: 80, for_s: 5}]", 20.0, id="cut before it"),
    ],
)
def test_a_plan_within_its_approval_may_run(load: str, highest: float | None) -> None:
    check_plan(settings_for("https://api.test", highest=highest, load=load))


@pytest.mark.parametrize(
    ("load", "highest", "said"),
    [
        pytest.param("rate=100", 99.5, "rate is 100, .* allows 99.5 .* write 99.5 or", id="rate"),
        pytest.param(
            "stages=[{to: 80, for_s: 5}, {rate: 40, for_s: 5}]",
            20.0,
            "rate is 80, .* write 20 or less",
            id="a ramp's top",
        ),
        pytest.param("rate=max", 50.0, "rate is max, .* write --rate 50", id="flat out"),
    ],
)
def test_a_plan_beyond_its_approval_is_refused_with_the_number_to_write(
    load: str, highest: float, said: str
) -> None:
    with pytest.raises(RefusedError, match=f"{said}.* approved") as refused:
        check_plan(settings_for("https://api.test", highest=highest, load=load))

    assert "approval 1234 of target simulator" in str(refused.value)
    assert refused.value.exit_code is ExitCode.REFUSED


def closed(users: int, think_time_s: float, highest: float) -> Settings:
    changes = {"arrivals": "closed", "users": users, "think_time_s": think_time_s}
    return settings_for("https://api.test", highest=highest).model_copy(update=changes)


@pytest.mark.parametrize(
    ("think_time_s", "is_refused"), [(0.25, True), (0.399, True), (0.4, False), (2, False)]
)
def test_without_a_schedule_only_pauses_keep_to_an_approval(
    think_time_s: float, is_refused: bool
) -> None:
    settings = closed(20, think_time_s, 50)

    with refused("write --set think_time_s=0.4, or fewer users" if is_refused else ""):
        check_plan(settings)


@given(users=st.integers(1, 100_000), highest=st.floats(0.001, 100_000))
@example(users=100, highest=30.0)
def test_the_pause_that_a_refusal_names_is_not_refused(users: int, highest: float) -> None:
    with pytest.raises(RefusedError) as refused:
        check_plan(closed(users, 0.0, highest))

    named = re.search(r"think_time_s=([0-9.e+]+),", str(refused.value))
    assert named is not None
    check_plan(closed(users, float(named[1]), highest))


def test_a_rate_just_above_the_approval_is_told_from_it() -> None:
    as_much, more = (
        settings_for("https://api.test", highest=1234.5678, load=f"rate={rate}")
        for rate in (1234.5678, 1234.56781)
    )

    check_rate(as_much)
    with pytest.raises(RefusedError, match=r"rate is 1234\.56781, .* write 1234\.5678 or less"):
        check_rate(more)


def test_what_a_proxy_leads_to_is_not_this_machine_whatever_its_name_stands_for_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name_proxies(monkeypatch, HTTPS_PROXY="http://proxy.test:3128")
    settings = settings_for("https://loopback.test")

    with pytest.raises(RefusedError, match=r"https://loopback\.test"):
        check_target(settings, Admission(), KEY, resolve=resolve, is_simulator=knows())


@pytest.mark.parametrize(
    ("load", "approved", "said"),
    [
        pytest.param("users=20", {"highest_users": 20}, "", id="as many users"),
        pytest.param(
            "users=21",
            {"highest_users": 20},
            "21 users, but approval 1234 of target simulator allows 20 users at most; write -u 20",
            id="too many users",
        ),
        pytest.param("oauth.logins_per_s=2", {"logins_per_s": 2.0}, "", id="as many logins"),
        pytest.param(
            "oauth.logins_per_s=3",
            {"logins_per_s": 2.0},
            "oauth.logins_per_s is 3, .* allows 2 logins per second at most; write 2 or less",
            id="too many logins",
        ),
    ],
)
def test_users_and_logins_keep_to_the_approval(
    load: str, approved: dict[str, Any], said: str
) -> None:
    settings = settings_for("https://api.test", highest=1000, load=load, **approved)

    with refused(said):
        check_plan(settings)


@pytest.mark.parametrize(("rate", "is_refused"), [(40, False), (40.5, True)])
def test_a_poisson_plan_keeps_its_mean_below_the_highest_rate(
    rate: float, is_refused: bool
) -> None:
    settings = settings_for("https://api.test", highest=50, load=f"rate={rate}")
    settings = settings.model_copy(update={"arrivals": "poisson"})

    with refused("arrivals are poisson, .* write 40 or less" if is_refused else ""):
        check_plan(settings)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (1000, ""),
        (1001, "1001 messages, but approval 1234 .* allows 1000 messages at most in a run"),
        (None, "nothing is scheduled, so the run has no end, .* --set messages=N"),
    ],
)
def test_a_run_keeps_to_the_highest_total(messages: int | None, said: str) -> None:
    settings = settings_for("https://api.test", highest=50, highest_total=1000)

    planned = None if messages is None else {"conversation_messages": messages - 7}

    check_total(settings_for("https://api.test", highest=50), planned)
    with refused(said):
        check_total(settings, planned, beside=7)


def with_steps(load: str, steps: str, *, highest: float = 50, **approved: Any) -> Settings:
    """Half of the messages have these steps, and the other half none."""
    settings = settings_of(
        *("scenarios=[conversation_messages, guest_messages]", "run_time_s=10", "warm_up_s=0"),
        *(*load.split(" and "), f"scenario.guest_messages.steps=[{steps}]"),
    )
    approval = Approval(ticket="1234", organisation_id="an id", highest_rate=highest, **approved)
    target = settings.target.model_copy(update={"approval": approval})
    return settings.model_copy(update={"target": target})


TYPING = "guest_messages/typing"


@pytest.mark.parametrize(
    ("load", "steps", "said"),
    [
        pytest.param("rate=50", "", "", id="no steps"),
        pytest.param(
            "rate=50",
            "typing",
            f"rate is 50, which with what the steps {TYPING} send makes 75",
            id="one",
        ),
        pytest.param(
            "rate=33.34", "typing", "50.01 requests .* write 33.33 or less", id="just above"
        ),
        pytest.param("rate=33.33", "typing", "", id="as much"),
        pytest.param("rate=20", "typing, notification, receipt", "", id="three, exactly"),
        pytest.param("rate=21", "typing, notification, receipt", "write 20 or less", id="three"),
        pytest.param(
            "stages=[{to: 40, for_s: 9}, {rate: 1, for_s: 1}]",
            "typing",
            "makes 60 .* 33.33",
            id="peak",
        ),
        pytest.param("rate=26 and arrivals=poisson", "typing", "", id="Poisson below"),
        pytest.param(
            "rate=27 and arrivals=poisson",
            "typing",
            "on average, .* write 26.66 or less",
            id="Poisson",
        ),
        pytest.param("rate=max", "typing", "write --rate 33.33", id="flat out"),
        pytest.param(
            "arrivals=closed and think_time_s=0.2",
            "typing",
            "write --set think_time_s=0.3",
            id="closed",
        ),
        pytest.param("arrivals=closed and think_time_s=0.3", "typing", "", id="closed, slower"),
    ],
)
def test_what_steps_send_counts_in_the_rate(load: str, steps: str, said: str) -> None:
    settings = with_steps(load, steps)

    with refused(said):
        check_plan(settings)


def test_a_scenario_with_a_rate_of_its_own_counts_with_its_own_steps() -> None:
    own = "scenario.guest_messages.rate=5"
    settings = with_steps("rate=45", "typing", highest=50)

    settings_of_own = settings_of(
        *("scenarios=[conversation_messages, guest_messages]", "rate=45", own),
        "scenario.guest_messages.steps=[typing]",
    ).model_copy(update={"target": settings.target})

    check_plan(settings_of_own)
    with refused("makes 67.5 requests"):
        check_plan(settings)


@given(rate=st.floats(0.01, 90_000), highest=st.floats(0.001, 10_000), steps=st.integers(0, 4))
def test_the_rate_that_a_refusal_names_is_not_refused(
    rate: float, highest: float, steps: int
) -> None:
    names = ", ".join("abcd"[:steps])
    try:
        check_plan(with_steps(f"rate={rate!r}", names, highest=highest))
    except RefusedError as error:
        named = re.search(r"write ([0-9.e+-]+) or less", str(error))
        assert named is not None
        check_plan(
            with_steps("rate=1", names, highest=highest).model_copy(
                update={"rate": float(named[1])}
            )
        )


@pytest.mark.parametrize(
    ("load", "steps", "most", "said"),
    [
        pytest.param("rate=10", "", 110, "", id="no steps"),
        pytest.param("rate=10", "typing", 160, "", id="as many"),
        pytest.param(
            "rate=10",
            "typing",
            159,
            f"160 messages with what the steps {TYPING} send, .* -t 9s",
            id="one more",
        ),
        pytest.param("rate=10", "typing", 17, "lower the rate, or -t,", id="hardly any"),
        pytest.param(
            "stages=[{to: 20, for_s: 10}]", "typing", 159, "lower the rate, or -t", id="stages"
        ),
    ],
)
def test_what_steps_send_counts_in_the_total(load: str, steps: str, most: int, said: str) -> None:
    settings = with_steps(load, steps, highest_total=most)
    planned = {"conversation_messages": 50, "guest_messages": 50}

    with refused(said):
        check_total(settings, planned, beside=10)


@pytest.mark.parametrize(
    ("rate", "processes", "said"),
    [
        pytest.param(32, 2, "", id="even parts"),
        pytest.param(
            33,
            3,
            "too few for their parts of 49.5, .* write --rate 32.12 or less",
            id="uneven parts",
        ),
    ],
)
def test_each_process_has_room_for_steps_too(rate: float, processes: int, said: str) -> None:
    with refused(said):
        check_processes(with_steps(f"rate={rate}", "typing"), processes)


@pytest.mark.parametrize(
    ("region", "api_url", "login_url", "said"),
    [
        pytest.param(
            "eu-central-1",
            "https://api.mypurecloud.de",
            "https://login.mypurecloud.de",
            "the hosts are of eu-central-1, as was approved",
            id="fits",
        ),
        pytest.param(
            "ap-southeast-2",
            "https://api.mypurecloud.com.au",
            "https://login.mypurecloud.com.au",
            "of ap-southeast-2",
            id="a domain that begins like another",
        ),
        pytest.param(
            "us-east-1",
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080",
            "us-east-1 is approved; 127.0.0.1 is no host of a region, and is not compared",
            id="this machine",
        ),
        pytest.param(
            "us-east-1",
            "https://gateway.example/genesys",
            "https://login.mypurecloud.com",
            "gateway.example is no host of a region",
            id="a gateway",
        ),
        pytest.param(
            "us-east-1",
            "https://api.mypurecloud.com.gateway.example",
            "https://login.mypurecloud.com",
            "is not compared",
            id="a gateway that is named alike",
        ),
        pytest.param(None, "https://api.mypurecloud.de", "https://login.x", "", id="none is named"),
        pytest.param(
            "eu-central-1",
            "https://api.mypurecloud.de.",
            "https://login.mypurecloud.de",
            "the hosts are of eu-central-1",
            id="with the dot of the root",
        ),
    ],
)
def test_the_hosts_are_of_the_approved_region_or_not_compared(
    region: str | None, api_url: str, login_url: str, said: str
) -> None:
    told = check_region(settings_for(api_url, login_url, highest=50, region=region))

    assert said in told and bool(said) == bool(told)


@pytest.mark.parametrize(
    ("region", "api_url", "login_url", "said"),
    [
        pytest.param(
            "eu-west-1",
            "https://api.mypurecloud.de",
            "https://login.mypurecloud.ie",
            r"api_url is https://api\.mypurecloud\.de, of region eu-central-1, but approval 1234 "
            r"of target simulator is for region eu-west-1, whose host is api\.mypurecloud\.ie",
            id="API",
        ),
        pytest.param(
            "eu-central-1",
            "https://api.mypurecloud.de",
            "https://login.mypurecloud.ie",
            "login_url .* of region eu-west-1, .* for region eu-central-1, whose host is login",
            id="login",
        ),
        pytest.param(
            "eu-west-1",
            "https://api.mypurecloud.de.",
            "https://login.mypurecloud.ie",
            r"api_url is https://api\.mypurecloud\.de\., of region eu-central-1",
            id="with the dot of the root",
        ),
        pytest.param(
            "eu-central-1",
            "https://login.mypurecloud.de",
            "https://api.mypurecloud.de",
            r"api_url is https://login\..*, whose host is api\.mypurecloud\.de",
            id="exchanged",
        ),
        pytest.param(
            "eu-central",
            "https://api.mypurecloud.de",
            "https://login.mypurecloud.de",
            "of region eu-central-1, .* is for region eu-central; correct",
            id="misspelt",
        ),
        pytest.param(
            "eu-centrl-1",
            "https://gateway.example",
            "https://login.example",
            "is for region 'eu-centrl-1', which is none of Genesys Cloud.*; did you mean "
            "eu-central-1",
            id="misspelt, and nothing to compare it with",
        ),
        pytest.param(
            "moon-1", "http://localhost:1", "http://localhost:1", "leave `region` out", id="unknown"
        ),
    ],
)
def test_a_host_of_another_region_is_refused_with_both_named(
    region: str, api_url: str, login_url: str, said: str
) -> None:
    settings = settings_for(api_url, login_url, highest=50, region=region)

    with refused(said):
        check_region(settings)
    with refused(said):
        check_target(settings, Admission(anywhere=True), resolve=resolve)


def test_the_host_of_guests_is_of_the_region_too() -> None:
    hosts = ("https://api.mypurecloud.de", "https://login.mypurecloud.de")
    settings = settings_for(*hosts, highest=50, region="eu-central-1")

    def at(url: str) -> Settings:
        target = settings.target.model_copy(update={"messaging_url": url})
        return settings.model_copy(update={"target": target})

    assert "of eu-central-1" in check_region(at("https://webmessaging.mypurecloud.de"))
    with refused("messaging_url is .* whose host is webmessaging.mypurecloud.de"):
        check_region(at("https://webmessaging.mypurecloud.ie"))


def test_without_an_approval_no_region_is_compared() -> None:
    assert check_region(settings_for("https://api.mypurecloud.de", "https://login.x")) == ""


NIGHT = {"from": "2026-11-26 22:00", "to": "2026-11-27 05:00", "zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        pytest.param("2026-11-26 20:59:59", "has not begun, .* start the run then", id="before"),
        pytest.param("2026-11-26 21:00:00", "", id="at its beginning"),
        pytest.param("2026-11-27 03:59:48", "", id="just long enough"),
        pytest.param(
            "2026-11-27 03:59:50",
            "the run takes 12 s, and the window is over in 10 s, but .* write -t 8s",
            id="too short",
        ),
        pytest.param("2026-11-27 04:00:00", "^the window is over, but", id="at its end"),
    ],
)
def test_a_run_fits_into_the_window_by_the_clocks_of_its_zone(moment: str, said: str) -> None:
    settings = settings_for("https://api.test", highest=50, window=NIGHT)
    now_s = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()

    with refused(said):
        check_window(settings, now_s, settings.warm_up_s + settings.duration_s)
    begins, ends = (datetime(2026, 11, *day, tzinfo=UTC) for day in ((26, 21), (27, 4)))
    assert window_of(settings) == (begins.timestamp(), ends.timestamp())


@pytest.mark.parametrize(
    ("begins", "ends", "moment", "said"),
    [
        pytest.param("00:00", "02:30", "2026-10-25 00:29", "", id="before both ends"),
        pytest.param("00:00", "02:30", "2026-10-25 00:31", "is over", id="after the first end"),
        pytest.param("02:30", "05:00", "2026-10-25 00:31", "not begun", id="after the first begin"),
        pytest.param("02:30", "05:00", "2026-10-25 01:31", "", id="after both"),
        pytest.param("00:00", "02:30", "2026-03-29 00:31", "is over", id="there is no such end"),
    ],
)
def test_in_the_night_when_clocks_are_changed_a_window_is_what_it_is_by_both_readings(
    begins: str, ends: str, moment: str, said: str
) -> None:
    day = moment[:10]
    night = {"from": f"{day} {begins}", "to": f"{day} {ends}", "zone": "Europe/Berlin"}
    settings = settings_for("https://api.test", highest=50, window=night)
    now_s = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()

    with refused(said):
        check_window(settings, now_s, 10.0)


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    turned = NIGHT | {"from": NIGHT["to"], "to": NIGHT["from"]}

    with pytest.raises(RefusedError, match="ends before it begins"):
        check_window(settings_for("https://api.test", highest=50, window=turned), 0.0, 1.0)


def test_without_an_approval_nothing_of_it_binds() -> None:
    settings = settings_for("http://localhost:1")

    check_total(settings, None)
    check_window(settings, 0.0, 1.0)
    check_processes(settings, 2)
    check_organisation(settings, "any")
    assert window_of(settings) == (-inf, inf)


def test_a_token_is_of_the_organisation_that_was_approved() -> None:
    settings = settings_for("https://api.test", highest=50)

    check_organisation(settings, "an id")
    with pytest.raises(RefusedError, match="of organisation 'other', but approval 1234 .* 'an id'"):
        check_organisation(settings, "other")


@pytest.mark.parametrize(
    ("users", "said"),
    [
        (20, ""),
        (21, "21 users, but approval"),
        (60_000, "may need 120,100 open files|users need a local port each"),
        (100_000, "may need 200,100 open files|users need a local port each"),
        (1_000_000, "users are 1,000,000, but should be at most 100,000"),
    ],
)
def test_users_in_mid_run_keep_to_the_bounds_of_the_start(users: int, said: str) -> None:
    settings = settings_for("https://api.test", highest=1000, highest_users=20)

    with refused(said):
        check_users(settings, users, processes=1)


@pytest.mark.parametrize(
    ("load", "highest", "processes", "said"),
    [
        pytest.param("rate=5", 5, 1, "", id="one process"),
        pytest.param("rate=4", 5, 2, "", id="the smaller part is enough"),
        pytest.param("rate=5", 5, 2, "as 3 to 2, .* write --rate 4 or less", id="it is not"),
        pytest.param("rate=500", 500, 2, "", id="even parts"),
        pytest.param("rate=500", 500, 3, "write --rate 499.95 or less", id="uneven parts"),
        pytest.param("rate=1", 5, 6, "use 5 workers at most", id="one that may send nothing"),
        pytest.param("arrivals=closed", 5, 2, "", id="without a schedule"),
        pytest.param("arrivals=closed", 5, 6, "use 5 workers at most", id="a part of nothing"),
    ],
)
def test_each_process_has_its_part_of_the_approved_rate_in_whole_messages(
    load: str, highest: float, processes: int, said: str
) -> None:
    settings = settings_for("https://api.test", highest=highest, load=load)

    with refused(said):
        check_processes(settings, processes)


def own_of(highest: float | None, **changes: str) -> Settings:
    settings = settings_for("https://api.test", "https://login.test", highest=highest)
    target = settings.target.model_copy(update=changes)
    return settings.model_copy(update={"target": target})


@pytest.mark.parametrize(
    ("own", "is_refused"),
    [
        pytest.param([own_of(50)], False, id="the same"),
        pytest.param([own_of(5), own_of(50, name="other")], False, id="another name"),
        pytest.param([own_of(5)], True, id="another approval"),
        pytest.param([own_of(None)], True, id="no approval"),
        pytest.param([own_of(50, login_url="https://login.other")], True, id="another login"),
        pytest.param([own_of(50, api_url="https://api.other")], True, id="another API"),
        pytest.param([own_of(50, ca_file="/own.pem")], True, id="other authorities"),
        pytest.param([own_of(50, messaging_url="https://api.test")], False, id="guests of the API"),
        pytest.param([own_of(50, messaging_url="https://login.test")], True, id="guests' host"),
        pytest.param([], True, id="no targets"),
    ],
)
def test_an_approval_of_the_master_has_to_stand_in_a_target_file_of_the_worker(
    own: list[Settings], is_refused: bool
) -> None:
    settings = settings_for("https://api.test", "https://login.test", highest=50)

    with refused("no target file of this worker .* login host https://login.test" * is_refused):
        check_own_targets(settings, own)


@pytest.mark.parametrize(
    ("own_headers", "is_refused"),
    [
        pytest.param({"X-Key": {"env": "KEY"}}, False, id="the same"),
        pytest.param({"X-Key": {"env": "KEY"}, "X-More": "x"}, False, id="among others"),
        pytest.param({"X-Key": {"env": "OTHER"}}, True, id="another variable"),
        pytest.param({}, True, id="none"),
    ],
)
def test_secret_headers_of_the_master_have_to_stand_there_too(
    own_headers: dict[str, object], is_refused: bool
) -> None:
    asked = settings_of('headers={"X-Key": {env: KEY}, "X-Plain": y}')
    own = settings_of(f"headers={json.dumps(own_headers)}")

    with refused("the headers X-Key, so that its credentials do not go there" * is_refused):
        check_own_targets(asked, [own])
