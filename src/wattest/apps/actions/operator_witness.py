"""``wattest operator ask-witness``: have another operator's enclave check drawn entries of a committed batch again.

Decided here: what is asked for and printed, and how a running operator serves as a witness. Not decided here: what is
checked and signed (docs/spec/ra-tls.md, section "Witness"), which entries an audit draws.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from wattest.apps.actions.operator_keys import connect_contracts, duty_of, say_collateral
from wattest.apps.collateral_source import collateral_source
from wattest.apps.interrupts import SteadyStack, hold_interrupts
from wattest.apps.operator_file import OperatorFile
from wattest.apps.production_files import open_operator_file
from wattest.apps.service import print_line
from wattest.apps.settings_reader import SettingInvalid, parse_address
from wattest.chain.client import MemoryJournal
from wattest.enclave.host.jobs import WitnessOutcome
from wattest.errors import EXIT_DONE, EXIT_VERIFICATION, WattestError
from wattest.keys.enclave_slots import ProcessSlots
from wattest.keys.key_keeper import KeyKeeper
from wattest.keys.key_report import OperatorStopped
from wattest.messages.witness_verdict import MAX_DRAWN
from wattest.operator.witness_service import WitnessServer, ask, witness_job
from wattest.store.enclave_key import KeyState


class WitnessDesk:
    """The witness servers of a running operator, one for each channel that has one."""

    def __init__(self, settings: OperatorFile, turn: threading.Lock, endorsements: Callable[[int], bytes]) -> None:
        self._terms = {channel: one for channel, one in settings.witnesses.items() if one.listen is not None}
        self._endorsements = endorsements
        self._servers: dict[bytes, WitnessServer] = {}
        for channel, terms in self._terms.items():
            assert terms.listen is not None  # the others were left out
            self._servers[channel] = WitnessServer(terms.listen, turn, partial(_say, channel))
            address = self._servers[channel].address
            click.echo(f"witness of channel {channel.hex()} at {address[0]}:{address[1]}", err=True)

    def offer(self, keeper: KeyKeeper, now: Callable[[], int]) -> None:
        """Serve with the enclave that is active now; without one, or without collateral, nothing changes."""
        for channel, server in self._servers.items():
            try:
                time_s = now()
                server.offer(keeper.enclave(channel), self._terms[channel].settings(self._endorsements(time_s), time_s))
            except WattestError:
                continue  # the loop's own report says what is wrong

    def stop(self) -> None:
        """Stop every server."""
        for server in self._servers.values():
            server.stop()


def _say(channel: bytes, found: WitnessOutcome | WattestError) -> None:
    if isinstance(found, WattestError):
        click.echo(json.dumps(found.as_dict(), sort_keys=True), err=True)
    else:
        print_line({"event": "witnessed", "channel": channel.hex(), **_shown(found)})


def ask_witness(
    config_path: Path,
    *,
    channel: str | None,
    witness: str,
    sequence: int,
    entries: tuple[int, ...],
    seed: str | None,
    as_json: bool,
) -> int:
    """What ``wattest operator ask-witness`` does."""
    settings, _ = open_operator_file(config_path)
    duty = duty_of(settings, channel)
    name = duty.channel.id
    terms = settings.witnesses.get(name)
    if terms is None:
        raise SettingInvalid("the manager's policy is missing", place="channel.witness", hint="see docs/spec/ra-tls.md")
    drawn = sorted(set(entries))
    if len(drawn) > MAX_DRAWN:
        raise SettingInvalid("too many entries", place="--entry", expected=f"up to {MAX_DRAWN}", actual=len(drawn))
    drawn_by = _seed(seed)
    address = parse_address(witness, "--at", "192.0.2.1:8552")
    platform = settings.platform.open()
    with SteadyStack() as stack:
        store = settings.data.write()  # the lock says that the operator is stopped
        stack.callback(store.close)
        contracts = connect_contracts(settings, MemoryJournal())
        key = store.keys.key_in(name, KeyState.ACTIVE)
        if key is None:
            raise OperatorStopped("no enclave key is active", channel=name, hint="run the operator first")
        slots = ProcessSlots(platform, settings.enclave_state_dir, guard=hold_interrupts)
        stack.callback(slots.stop)
        client = slots.client(key.slot)
        identity = next(one for one in client.describe().identities if one.channel == name)
        bundles = settings.data.open_bundles()
        job = witness_job(store, bundles, identity.storage_key, name, sequence, drawn, drawn_by)
        now = contracts.client.now()
        endorsements = collateral_source(settings.collateral, platform, say_collateral)(now)
        outcome = ask(client, terms.settings(endorsements, now), job, address, contracts.referee.domain)
    if as_json:
        click.echo(json.dumps(_shown(outcome), sort_keys=True))
    else:
        word = "good" if outcome.verdict.ok else f"bad: {outcome.reason}"
        click.echo(f"witness 0x{outcome.witness.hex()} finds entries {list(outcome.verdict.entries)} {word}")
    return EXIT_DONE if outcome.verdict.ok else EXIT_VERIFICATION


def _shown(outcome: WitnessOutcome) -> dict[str, object]:
    verdict = outcome.verdict
    return {
        "header": verdict.header.hex(),
        "seed": verdict.seed.hex(),
        "entries": list(verdict.entries),
        "ok": verdict.ok,
        "reason": outcome.reason,
        "witness": "0x" + outcome.witness.hex(),
        "signature": outcome.signature.hex(),
    }


def _seed(text: str | None) -> bytes:
    if text is None:
        return secrets.token_bytes(32)
    digits = text.removeprefix("0x").lower()
    if len(digits) != 64 or any(digit not in "0123456789abcdef" for digit in digits):
        raise SettingInvalid("64 hex digits are wanted", place="--seed", actual=text[:80])
    return bytes.fromhex(digits)
