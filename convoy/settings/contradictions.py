"""Settings that are right by themselves and wrong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator

from convoy.errors import did_you_mean
from convoy.settings.model import Settings
from convoy.settings.origin import Origin
from convoy.settings.rate_shares import sharing_problem
from convoy.untrusted_text import quoted

Problem = tuple[tuple[str, ...], str]
"""The keys to the setting to name, and what is wrong with it."""


def problems(
    settings: Settings, known_scenarios: Collection[str], faulty: Collection[str]
) -> Iterator[Problem]:
    """Yield what does not go together; a check that needs a `faulty` setting is left out.

    Below a scenario that is not there only that is said: its settings lack that scenario's own.
    """
    for needed, check in _CHECKS:
        if any(name in faulty for name in needed):
            continue
        for keys, problem in check(settings, known_scenarios):
            if len(keys) < 3 or keys[0] != "scenario" or keys[1] in known_scenarios:
                yield keys, problem


def _scenarios(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    for name, count in Counter(settings.scenarios).items():
        if name not in known:
            yield ("scenarios",), _no_scenario(name, known)
        if count > 1:
            yield ("scenarios",), f"names {quoted(name)} {count} times"


def _unknown_sections(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    for name in settings.scenario:
        if name not in known:
            yield ("scenario", name), _no_scenario(name, known)


def _no_scenario(name: str, known: Collection[str]) -> str:
    there_are = ", ".join(sorted(known))
    close = did_you_mean(name, known) or ". One of your own has to be imported in locustfile.py"
    return f"there is no scenario {quoted(name)}; there are: {there_are}{close}"


def _too_few_users(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    wanted = len(set(settings.scenarios))
    if settings.users < wanted:
        problem = f"is {settings.users}, but there are more scenarios than users: {wanted}"
        yield ("users",), f"{problem}; every scenario needs at least one"


def _no_rate(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    if settings.rate is None and settings.stages is None:
        yield ("rate",), "is missing; give a rate, or stages"
    elif settings.highest_rate == 0:
        yield ("stages",), "have rate 0 throughout, so nothing would be sent"


def _rates_apart(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    is_rated = settings.stages is not None or isinstance(settings.rate, float)
    if is_rated and all(name in settings.scenario for name in settings.scenarios):
        problem = sharing_problem(settings.curve, settings.own_rates())
        if problem:
            yield ("scenario",), problem


def _flat_out(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    if not settings.is_flat_out:
        return
    if settings.arrivals != "even":
        problem = f"is {settings.arrivals}, but with rate: max users send again at once; set even"
        yield ("arrivals",), problem
    for name in settings.scenarios:
        if name in settings.scenario and settings.scenario[name].rate is not None:
            problem = "is given, but with rate: max scenarios share the users; give it a weight"
            yield ("scenario", name, "rate"), problem


def _lateness(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    if settings.late_after_ms / 1000 > settings.max_lateness_s:
        problem = f"is {settings.late_after_ms:g}, longer than max_lateness_s: "
        yield ("late_after_ms",), f"{problem}{settings.max_lateness_s:g}, so nothing could be late"


def _pools(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    for name, scenario in settings.scenario.items():
        pool, keys = scenario.conversations, ("scenario", name, "conversations")
        if pool.source == "file" and pool.path is None:
            yield (*keys, "path"), "is missing; `source: file` needs the path of the pool file"
        if pool.source == "inline" and not pool.ids:
            yield (*keys, "ids"), "is empty; `source: inline` needs conversation ids"
        if pool.source == "opened" and pool.count is None:
            yield (*keys, "count"), "is missing; `source: opened` needs to know how many to open"
        if pool.source == "none" and pool.count is None and pool.pick != "random":
            problem = f"is {pool.pick}, but with `source: none` there is nothing to pick from"
            yield (*keys, "pick"), f"{problem}; leave it out, or give a `count` of customers"
        for setting, sources, value, without in (
            ("path", ("file",), pool.path, "null"),
            ("ids", ("inline",), pool.ids, "[]"),
            ("cache", ("api",), pool.cache, "null"),
            ("count", ("opened", "none"), pool.count, "null"),
        ):
            if value and pool.source not in sources:
                given = f"is given, but `source: {pool.source}` does not use it"
                yield (*keys, setting), f"{given}; set `{setting}: {without}`, or another source"
        if pool.on_exhausted != "recycle" and pool.pick != "round_robin":
            yield (
                (*keys, "on_exhausted"),
                f"is {pool.on_exhausted}, but only `pick: round_robin` comes to the end of a pool",
            )


def _exhausted_by_chance(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    for name, scenario in settings.scenario.items():
        rule = scenario.conversations.on_exhausted
        if settings.arrivals == "poisson" and rule != "recycle":
            yield (
                ("scenario", name, "conversations", "on_exhausted"),
                f"is {rule}, but poisson arrivals do not go through a pool in order; set recycle",
            )


def _reconnects(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    for name, scenario in settings.scenario.items():
        rule, has_s = scenario.reconnect, settings.request_timeout_s
        if rule is None or name not in settings.scenarios:
            continue
        if rule.longest_s < rule.wait_s:
            problem = f"is {rule.longest_s:g}, shorter than wait_s: {rule.wait_s:g}"
            yield ("scenario", name, "reconnect", "longest_s"), problem
        if rule.wait_s * (1 + rule.jitter) >= has_s:
            problem = (
                f"is {rule.wait_s:g}, but from its drop on a guest has {has_s:g} s to come back"
            )
            yield ("scenario", name, "reconnect", "wait_s"), f"{problem}; raise request_timeout_s"


def _embedded_elsewhere(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    target = settings.target
    origin = Origin.parse(target.api_url)
    is_here = origin.is_loopback and not origin.is_https and not origin.base_path
    if target.embedded_simulator and not (is_here and target.api_url == target.login_url):
        yield (
            ("target", "embedded_simulator"),
            "is true, but Convoy starts its simulator at one http address of this machine only; "
            "api_url and login_url should both be that, as in http://127.0.0.1:8080",
        )


_CHECKS: tuple[
    tuple[tuple[str, ...], Callable[[Settings, Collection[str]], Iterator[Problem]]], ...
] = (
    (("scenarios",), _scenarios),
    (("scenario",), _unknown_sections),
    (("users", "scenarios"), _too_few_users),
    (("rate", "stages", "run_time_s"), _no_rate),
    (("rate", "stages", "run_time_s", "scenario", "scenarios"), _rates_apart),
    (("rate", "arrivals", "scenario", "scenarios"), _flat_out),
    (("late_after_ms", "max_lateness_s"), _lateness),
    (("scenario",), _pools),
    (("scenario", "arrivals"), _exhausted_by_chance),
    (("scenario", "scenarios", "request_timeout_s"), _reconnects),
    (("target",), _embedded_elsewhere),
)
