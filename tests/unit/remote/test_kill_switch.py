"""The kill switch: what turns it on, and that nothing leaves and nobody waits any longer then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from convoy.clock import clock_s
from convoy.errors import ExitCode, KillSwitchError, RefusedError
from convoy.remote.kill_switch import LOOKS_EVERY_S, KillSwitch, RunSwitch
from convoy.remote.wire_faults import StoppedError
from tests.unit.remote.exchanges import LONG_S, REQUEST, deadline, fault_of, transport_to
from tests.unit.remote.misbehaving_server import answers_all, serving

ENDS_S = 1_800_000_000.0


class Bench:
    """A kill switch whose clock a test moves."""

    def __init__(self, folder: Path) -> None:
        self.now_s = ENDS_S - 60
        self.steady_s = 0.0
        self.file = folder / "runs" / "STOP"
        self.file.parent.mkdir()
        self.switch = KillSwitch(self.file, lambda: self.now_s, lambda: self.steady_s)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def end_window(bench: Bench) -> None:
    bench.switch.keep_to_window(0.0, ENDS_S)
    bench.now_s = ENDS_S


def set_the_clock_back(bench: Bench) -> None:
    """Have the window end by a clock that is set back meanwhile."""
    bench.switch.keep_to_window(0.0, ENDS_S)
    bench.now_s, bench.steady_s = ENDS_S - 600, bench.steady_s + 60.0


def set_the_clock_before_the_window(bench: Bench) -> None:
    bench.switch.keep_to_window(ENDS_S - 600, ENDS_S)
    bench.now_s = ENDS_S - 601


def make_dangling_link(bench: Bench) -> None:
    bench.file.symlink_to("nowhere")


def make_folder_unreadable(bench: Bench) -> None:
    """Have nobody look into the folder, not even root."""
    bench.file.parent.rmdir()
    bench.file.parent.symlink_to(bench.file.parent)


CAUSES: list[tuple[Callable[[Bench], object], str]] = [
    (lambda bench: bench.file.touch(), "the kill switch: .*STOP is there"),
    (make_dangling_link, "the kill switch: .*STOP is there"),
    (make_folder_unreadable, "the kill switch: .*STOP cannot be looked for .Too many levels.*"),
    (lambda bench: bench.switch.throw("SIGUSR1"), "the kill switch: SIGUSR1"),
    (end_window, "the window of the approval is over"),
    (set_the_clock_back, "the window of the approval is over"),
    (set_the_clock_before_the_window, "by this machine's clock the window .* has not begun"),
]
causes = pytest.mark.parametrize(
    ("turn_on", "said"),
    CAUSES,
    ids=[
        *("file", "dangling link", "nobody can look", "thrown", "end of the window"),
        *("the clock is set back", "the clock is set to before the window"),
    ],
)


@causes
def test_what_turns_it_on(bench: Bench, turn_on: Callable[[Bench], object], said: str) -> None:
    bench.switch.check()
    bench.steady_s += LOOKS_EVERY_S

    turn_on(bench)

    with pytest.raises(KillSwitchError, match=f"^{said}; nothing more was sent") as caught:
        bench.switch.check()
    assert caught.value.exit_code is ExitCode.INVALID


@pytest.mark.parametrize(
    ("after_s", "is_on"), [(LOOKS_EVERY_S - 0.01, False), (LOOKS_EVERY_S, True)]
)
@pytest.mark.parametrize("stepped_s", [0.0, -3600.0, 3600.0])
def test_it_looks_for_the_file_now_and_then_however_the_clock_is_set(
    bench: Bench, after_s: float, is_on: bool, stepped_s: float
) -> None:
    assert bench.switch.reason == ""
    bench.file.touch()

    bench.steady_s += after_s
    bench.now_s += stepped_s

    assert bool(bench.switch.reason) == is_on


def test_a_clock_that_is_set_back_gives_no_more_time_to_who_asks_again(bench: Bench) -> None:
    """A run's own worker in the same process connects anew, and so does the next run."""
    bench.switch.keep_to_window(0.0, ENDS_S)
    bench.now_s, bench.steady_s = ENDS_S - 600, 50.0

    bench.switch.keep_to_window(0.0, ENDS_S)

    assert bench.switch.reason == ""
    bench.steady_s = 60.0
    assert bench.switch.reason == "the window of the approval is over"
    bench.switch.keep_to_window(0.0, ENDS_S + 600)  # that of another approval
    assert bench.switch.reason == ""


def test_the_next_run_is_prepared_after_it_was_thrown(bench: Bench) -> None:
    bench.switch.throw("SIGUSR1")

    bench.switch.reset()

    assert bench.switch.reason == ""


@pytest.mark.parametrize("is_thrown", [False, True])
@pytest.mark.parametrize("is_stopped", [False, True])
def test_that_of_a_run_is_also_on_once_the_run_was_stopped(
    bench: Bench, is_thrown: bool, is_stopped: bool
) -> None:
    of_run, of_another = RunSwitch(bench.switch), RunSwitch(bench.switch)
    if is_thrown:
        bench.switch.throw("a test")

    if is_stopped:
        of_run.stop()

    for each, is_on in ((of_run, is_thrown or is_stopped), (of_another, is_thrown)):
        assert bool(each.reason) == is_on
        with pytest.raises(KillSwitchError) if is_on else nullcontext():
            each.check()


@causes
def test_no_message_leaves_while_it_is_on(
    bench: Bench, turn_on: Callable[[Bench], object], said: str
) -> None:
    with (
        serving(answers_all) as server,
        transport_to(server.port, kill_switch=bench.switch) as transport,
    ):
        transport.exchange(REQUEST, deadline())
        bench.steady_s += LOOKS_EVERY_S

        turn_on(bench)

        fault = fault_of(transport)
        assert (fault.code, fault.sent_s, len(server.requests)) == ("stopped", None, 1)


@causes
def test_who_hands_in_the_moment_is_kept_from_passing_as_well(
    bench: Bench, turn_on: Callable[[Bench], object], said: str
) -> None:
    of_run = RunSwitch(bench.switch)
    of_run.let_pass(bench.steady_s)
    bench.steady_s += LOOKS_EVERY_S

    turn_on(bench)

    with pytest.raises(StoppedError, match=said):
        of_run.let_pass(bench.steady_s)


def test_what_need_not_be_looked_for_turns_it_on_at_once(bench: Bench) -> None:
    stopped, other = RunSwitch(bench.switch), RunSwitch(bench.switch)
    stopped.let_pass(bench.steady_s)
    bench.file.touch()

    stopped.stop()

    with pytest.raises(StoppedError, match="the run was stopped"):
        stopped.let_pass(bench.steady_s)
    other.let_pass(bench.steady_s)  # the file was not looked for again
    bench.switch.throw("a test")
    with pytest.raises(StoppedError, match="a test"):
        other.let_pass(bench.steady_s)


def test_the_window_ends_on_time_also_between_two_looks(bench: Bench) -> None:
    of_run = RunSwitch(bench.switch)
    of_run.let_pass(bench.steady_s)

    bench.switch.keep_to_window(0.0, bench.now_s + LOOKS_EVERY_S / 2)

    of_run.let_pass(bench.steady_s)
    bench.steady_s += LOOKS_EVERY_S / 2
    with pytest.raises(StoppedError, match="the window of the approval is over"):
        of_run.let_pass(bench.steady_s)


def wait_for_ever() -> None:
    Event().wait()


def wait_for_others() -> None:
    gevent.joinall([gevent.spawn(gevent.sleep, 3600)])


def be_deaf() -> None:
    with suppress(KillSwitchError):
        wait_for_ever()


def be_refused() -> None:
    with suppress(KillSwitchError):
        wait_for_ever()
    raise RefusedError("only 3 of 10 conversations were opened: stopped")


@pytest.mark.parametrize("prepare", [wait_for_ever, wait_for_others, be_deaf, be_refused])
def test_a_preparation_ends_whatever_it_waits_for(
    tmp_path: Path, prepare: Callable[[], None]
) -> None:
    switch = KillSwitch(tmp_path / "STOP")
    gevent.spawn_later(0.05, (tmp_path / "STOP").touch)
    began_s = clock_s()

    with gevent.Timeout(LONG_S), pytest.raises(KillSwitchError), switch.watched():
        prepare()

    assert clock_s() - began_s < LONG_S / 2


def test_a_preparation_that_ends_by_itself_is_left_alone(bench: Bench) -> None:
    with pytest.raises(RefusedError), bench.switch.watched():
        raise RefusedError("another reason")
    with bench.switch.watched():
        pass
    bench.file.touch()
    gevent.sleep(2 * LOOKS_EVERY_S)


def test_its_end_may_take_time_although_it_was_stopped(tmp_path: Path) -> None:
    switch, ended = KillSwitch(tmp_path / "STOP"), []
    (tmp_path / "STOP").touch()

    with pytest.raises(KillSwitchError), switch.watched():
        try:
            wait_for_ever()
        finally:
            gevent.sleep(3 * LOOKS_EVERY_S)
            ended.append(True)

    assert ended == [True]


def test_a_signal_turns_it_on_while_a_run_is_prepared(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path / "STOP")
    assert not switch.reason
    before = signal.getsignal(signal.SIGUSR1)
    try:
        with (
            gevent.Timeout(LONG_S),
            pytest.raises(KillSwitchError, match="SIGUSR1"),
            switch.watched(),
        ):
            os.kill(os.getpid(), signal.SIGUSR1)
            wait_for_ever()
    finally:
        signal.signal(signal.SIGUSR1, before)
