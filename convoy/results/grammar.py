"""The grammar of criteria: from lines to criteria, or to every fault at once, before load starts.

`docs/criteria.md` has all the words and what they mean; a word that is not there is a fault that
names the ones that are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite, nan

from convoy.errors import Fault, SettingsError, did_you_mean
from convoy.results.account import step_name
from convoy.results.criteria import COMPARISONS, SUBJECTS, Criterion, CriterionWindow, Unit, selects
from convoy.results.outcome import Cause
from convoy.results.series import REPORT_STEPS
from convoy.routes.codes import KNOWN_CODES
from convoy.untrusted_text import quoted

MOST_CRITERIA = 100
LONGEST_LINE = 200

_UNITS = {"ms": 1.0, "s": 1_000.0, "m": 60_000.0, "h": 3_600_000.0}
"""Units of time, in milliseconds."""
_FUNCTIONS = ("p50", "p90", "p95", "p99", "p99.9", "max", "count", "share")
_OF_STEPS = tuple(name for name, subject in SUBJECTS.items() if subject.is_of_steps)
"""What can be asked of a step: all but what only a schedule gives a meaning."""
_CAUSES = tuple(cause.value for cause in Cause)
_TOKEN = re.compile(r"\s*(\[[^\[\]]*\]|[A-Za-z_][\w./-]*|[0-9.]+|[<>=!]=?|[(),%/])", re.ASCII)
"""One class of characters after the other, so that no text takes more than one look at each."""
_STATUS = re.compile(r"[1-5?][0-9?]{0,2}\*?")


@dataclass(frozen=True, slots=True)
class Known:
    """What the criteria of a run may name: scenarios that run, their steps and timings, codes.

    `steps` and `timings` are by scenario. The measured part lasts `duration_s` seconds, and what
    happened in it is known in steps of `step_s`.
    """

    scenarios: Collection[str]
    duration_s: float
    step_s: int = 1
    codes: Collection[str] = field(default_factory=lambda: KNOWN_CODES)
    steps: Mapping[str, Collection[str]] = field(default_factory=dict)
    timings: Mapping[str, Collection[str]] = field(default_factory=dict)


def parse(lines: Sequence[str], known: Known) -> tuple[Criterion, ...]:
    """Return the criteria; raises SettingsError with every line that is none."""
    if len(lines) > MOST_CRITERIA:
        problem = f"are {len(lines):,} lines, but {MOST_CRITERIA} is the most"
        raise SettingsError([Fault("criteria", problem)])
    criteria, faults = [], []
    for line in lines:
        try:
            criterion = _read(line)
            _check_names(criterion, known)
            _check_window(criterion, known)
        except _WrongError as error:
            faults.append(Fault("criteria", f"{quoted(line)}: {error}"))
        else:
            criteria.append(criterion)
    SettingsError.raise_for(faults)
    return tuple(criteria)


class _WrongError(Exception):
    """A line that is no criterion; the message says why."""


class _Tokens:
    """The words of one line, taken from left to right."""

    def __init__(self, line: str) -> None:
        self._words = list(_words(line))
        self._at = 0

    @property
    def next(self) -> str:
        """The next word, "" at the end."""
        return self._words[self._at] if self._at < len(self._words) else ""

    def take(self) -> str:
        word = self.next
        self._at += 1
        return word

    def take_if(self, *wanted: str) -> str:
        """Take the next word if it is one of these, else return ""."""
        return self.take() if self.next in wanted else ""

    def expect(self, wanted: str, where: str) -> None:
        if not self.take_if(wanted):
            raise _WrongError(f"should have {wanted!r} {where}{self._instead}")

    @property
    def _instead(self) -> str:
        return f", and has {self.next!r}" if self.next else ", and ends there"

    def number(self, what: str) -> float:
        word = self.next
        try:
            number = float(word)
        except ValueError:
            number = nan
        if not isfinite(number):
            raise _WrongError(f"should have a number as its {what}{self._instead}")
        self._at += 1
        return number


def _words(line: str) -> Iterator[str]:
    if len(line) > LONGEST_LINE:
        raise _WrongError(f"is {len(line):,} characters long, and {LONGEST_LINE} is the most")
    text, at = line.strip(), 0
    if not text:
        raise _WrongError("is empty")
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            rest = quoted(text[at:].strip())
            raise _WrongError(f"has something that no criterion has, at {rest}")
        yield found[1]
        at = found.end()


def _read(line: str) -> Criterion:
    tokens = _Tokens(line)
    function, subject, selector, place = _measure(tokens)
    comparison = tokens.take_if(*COMPARISONS)
    if not comparison:
        wanted = ", ".join(COMPARISONS)
        raise _WrongError(f"should go on with one of {wanted} and a limit{tokens._instead}")
    limit, unit = _limit(tokens, function, comparison)
    window = _window(tokens)
    aborts = bool(tokens.take_if(","))
    if aborts:
        tokens.expect("abort", "after the comma")
    if tokens.next:
        raise _WrongError(f"should end before {tokens.next!r}")
    text = " ".join(line.split())
    return Criterion(
        text, function, subject, selector, place, comparison, limit, unit, window, aborts
    )


def _measure(tokens: _Tokens) -> tuple[str, str, str, str]:
    """Return function, subject, selector and place of what stands before the comparison."""
    function, subject = "", tokens.take()
    if subject not in SUBJECTS and tokens.take_if("("):
        function, subject = subject, tokens.take()
        if function not in _FUNCTIONS and not _is_percentile(function):
            raise _unknown("function", function, _FUNCTIONS)
    if subject not in SUBJECTS:
        raise _unknown("subject", subject, SUBJECTS)
    selector, kind = _selector(tokens, subject), SUBJECTS[subject].kind
    has_place = bool(tokens.take_if("," if function else "("))
    place = tokens.take() if has_place else ""
    if function or has_place:
        tokens.expect(")", "after what is measured" if function else "after the scenario")
    if function:
        _check_function(function, subject)
    elif kind == "time":
        raise _WrongError(f"should say which {subject}, as in p95({subject}) or max({subject})")
    return function or ("count" if kind == "number" else kind), subject, selector, place


def _check_function(function: str, subject: str) -> None:
    found = SUBJECTS[subject]
    if found.kind == "rate":
        raise _WrongError(f"{subject} stands by itself, as in {subject} >= 99%")
    if (found.kind == "number") != (function in ("count", "share")):
        fitting = "count or share" if found.kind == "number" else "a percentile or max"
        raise _WrongError(f"{function} does not go with {subject}; take {fitting}")
    if function == "share" and not found.of:
        raise _WrongError(f"{subject} is no part of anything, so it has no share; take count")


def _is_percentile(word: str) -> bool:
    number = word[1:]
    is_number = number.replace(".", "", 1).isdigit() and number.isascii()
    return word[:1] == "p" and is_number and 0 < float(number) <= 100


def _selector(tokens: _Tokens, subject: str) -> str:
    """Return what stands in the brackets behind a subject; "" for everything."""
    kind = SUBJECTS[subject].selects
    if not tokens.next.startswith("["):
        if kind == "timing":
            raise _WrongError("should say which timing, as in timing[first_reply]")
        return ""
    selector = " ".join(tokens.take()[1:-1].split())
    if not kind:
        raise _WrongError(f"{subject} takes nothing in brackets, but has [{selector}]")
    if not selector:
        raise _WrongError(f"should have a {kind} between the brackets, or * for every one")
    return "" if selector == "*" and kind != "timing" else selector


def _limit(tokens: _Tokens, function: str, comparison: str) -> tuple[float, Unit]:
    number = tokens.number("limit")
    if function == "count":
        return number, ""
    if function == "rate" and tokens.take_if("/"):
        tokens.expect("s", "after the slash")
        return number, "/s"
    if function in ("rate", "share"):
        is_share = function == "share"
        because = "after the limit, because a share is in percent"
        tokens.expect("%", because if is_share else "or /s after the limit")
        if is_share and number > 100:
            raise _WrongError(f"{number:g}% is more than a share can be")
        return number, "%"
    if comparison == "==":
        raise _WrongError("no time is exactly as long as a limit; take < or >")
    return number * _unit(tokens), "ms"


def _unit(tokens: _Tokens) -> float:
    unit = tokens.take_if(*_UNITS)
    if not unit:
        raise _WrongError(f"should have a unit, one of {', '.join(_UNITS)}{tokens._instead}")
    return _UNITS[unit]


def _window(tokens: _Tokens) -> CriterionWindow | None:
    word = tokens.take_if("over", "for")
    if not word:
        return None
    length_s = tokens.number("window") * _unit(tokens) / 1000
    if length_s < 1 or length_s != int(length_s):
        raise _WrongError(f"its window is {length_s:g} s, but should be of whole seconds")
    return CriterionWindow("over" if word == "over" else "for", int(length_s))


def _check_names(criterion: Criterion, known: Known) -> None:
    """Raise _WrongError for a scenario, step, timing, code or cause that there is not."""
    place, selector = criterion.place, criterion.selector
    scenario, slash, step = place.partition("/")
    if place and scenario not in known.scenarios:
        raise _unknown("scenario", place, known.scenarios, "in this run ")
    if slash:
        _check_step(scenario, step, criterion.subject, known)
    kind = SUBJECTS[criterion.subject].selects
    if kind == "timing":
        timings = known.timings.get(place, ()) if place else chain(*known.timings.values())
        _check_timing(selector, dict.fromkeys(timings), scenario)
    if kind == "cause" and selector and not _selects_any(selector, _CAUSES):
        raise _unknown("cause", selector, _CAUSES)
    if kind == "code" and selector and not _selects_any(selector, known.codes):
        _check_status(selector, known.codes)


def _check_step(scenario: str, step: str, subject: str, known: Known) -> None:
    place, steps = step_name(scenario, step), known.steps.get(scenario, ())
    if not steps:
        raise _WrongError(f"{scenario} declares no steps, so there is no {place!r}")
    if step not in steps:
        raise _unknown("step", place, [step_name(scenario, each) for each in steps])
    if subject not in _OF_STEPS:
        raise _WrongError(f"{subject} is for messages; of a step there are: {', '.join(_OF_STEPS)}")


def _check_timing(timing: str, timings: Collection[str], scenario: str) -> None:
    if not timings:
        raise _WrongError(
            f"{scenario or 'no scenario'} declares {'no' if scenario else 'a'} timing, so there is "
            f"no {timing!r}"
        )
    if timing not in timings:
        raise _unknown("timing", timing, timings)


def _check_status(selector: str, codes: Collection[str]) -> None:
    """Raise _WrongError for a selector of unknown codes, unless it is a status like 418 or 4??."""
    if _STATUS.fullmatch(selector):
        return
    status = selector.partition(" ")[0]
    of_status = sorted(each for each in codes if each.startswith(f"{status} "))
    groups = {each.partition(" ")[0] if each[:1].isdigit() else each for each in codes}
    names = [each.partition(" ")[2] for each in codes if each[:1].isdigit()]
    there_are = ", ".join(of_status or sorted(groups))
    close = did_you_mean(selector, [*codes, *names, *groups])
    raise _WrongError(f"there is no code {selector!r}; there are: {there_are}{close}")


def _unknown(what: str, word: str, known: Collection[str], where: str = "") -> _WrongError:
    there_are = ", ".join(known)
    close = did_you_mean(word, known)
    return _WrongError(
        f"there is no {what} {word!r} {where}".rstrip() + f"; there are: {there_are}{close}"
    )


def _check_window(criterion: Criterion, known: Known) -> None:
    """Raise _WrongError for a window that never fits, and an abort that nothing can call for."""
    window, step_s = criterion.window, known.step_s
    if window is None:
        if criterion.aborts and criterion.function == "count" and criterion.is_lower_bound:
            raise _WrongError(
                "whether there are enough is only known at the end, so it cannot abort the run; "
                "give it a window, as in over 60s"
            )
        return
    if window.length_s > known.duration_s:
        raise _WrongError(
            f"its window of {window.length_s} s is longer than the run, {known.duration_s:g} s; "
            "take a longer run, or another window"
        )
    is_time = SUBJECTS[criterion.subject].kind == "time"
    shortest_s = step_s * REPORT_STEPS if is_time else step_s
    if window.length_s < shortest_s:
        what = "times are reported" if is_time else "a run of this length is kept"
        raise _WrongError(
            f"its window of {window.length_s} s is too short: {what} every {shortest_s} s"
        )


def _selects_any(pattern: str, codes: Collection[str]) -> bool:
    return any(selects(pattern, code) for code in codes)
