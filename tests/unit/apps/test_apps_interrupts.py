"""Interrupts: one ends a command, a second does not disturb its end, none comes between making and owning."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wattest.apps import interrupts
from wattest.apps.interrupts import SteadyStack, hold_interrupts, ignore_interrupts, raise_on_interrupt


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    raise_on_interrupt()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_raises_and_the_next_ones_do_not(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)


def test_after_the_settling_time_a_signal_raises_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "SETTLING_S", 0.0)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_held_signal_raises_at_the_end_of_the_outermost_block() -> None:
    passed = []
    with pytest.raises(KeyboardInterrupt), hold_interrupts():  # noqa: PT012 - raises at its end
        with hold_interrupts():
            signal.raise_signal(signal.SIGTERM)
        passed.append("inner")
    assert passed == ["inner"]


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "IMPATIENCE_S", 0.01)
    with pytest.raises(KeyboardInterrupt), hold_interrupts():  # noqa: PT012 - the second signal raises inside
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.02)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("a second signal breaks in")


def test_what_is_entered_is_owned_and_exits_are_whole() -> None:
    said = []

    @contextmanager
    def thing() -> Iterator[str]:
        signal.raise_signal(signal.SIGINT)  # in the middle of a start
        said.append("made")
        try:
            yield "thing"
        finally:
            signal.raise_signal(signal.SIGINT)
            said.append("removed")

    with pytest.raises(KeyboardInterrupt), SteadyStack() as stack:
        stack.enter_context(thing())
    assert said == ["made", "removed"]


def test_a_decided_outcome_is_not_disturbed() -> None:
    ignore_interrupts()
    signal.raise_signal(signal.SIGINT)
    with hold_interrupts():
        signal.raise_signal(signal.SIGTERM)
