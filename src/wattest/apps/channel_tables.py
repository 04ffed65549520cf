"""The ``[[channel]]`` tables of an operator's file: duties, documents, and what managers signed for hand-overs.

Decided here: which settings a channel has, and which of them exclude each other. Not decided here: how one is read
(``settings_reader``), the rest of the file (``operator_file``). docs/howto/run-an-operator.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wattest.apps.settings_reader import (
    SettingInvalid,
    read_file,
    read_path,
    read_peer,
    read_policy_file,
)
from wattest.crypto.strict_fields import Field, Fields
from wattest.io.files import read_key_file
from wattest.keys.carry_over import CarryTerms
from wattest.keys.standby import StandbyTerms
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, SignedPermit
from wattest.messages.member_list import parse_signed_member_list
from wattest.operator.witness_service import WitnessTerms
from wattest.receipt.deployment import Deployment
from wattest.store.duty import Duty, MemberKeys
from wattest.units import SECONDS_PER_DAY

MAX_MEMBER_LIST_BYTES = 160 * 1024 * 1024
MAX_METER_KEYS_BYTES = 128 * 1024 * 1024
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
_LATEST_S = 2**40


@dataclass(slots=True)
class ChannelTables:
    """What an operator's channels have; ``documents`` (channel, name) -> evidence, endorsements; others by channel."""

    folder: Path
    deployment: Deployment
    duties: list[Duty] = field(default_factory=list)
    documents: dict[tuple[bytes, str], bytes] = field(default_factory=dict)
    hand_overs: dict[bytes, CarryTerms] = field(default_factory=dict)
    standbys: dict[bytes, StandbyTerms] = field(default_factory=dict)
    witnesses: dict[bytes, WitnessTerms] = field(default_factory=dict)
    meter_key_files: list[tuple[str, Path]] = field(default_factory=list)

    def take(self, entry: Field) -> None:
        """Read one ``[[channel]]``. Raises: SettingInvalid, FileMissing, and what a member list is refused for."""
        table = entry.fields()
        signed = parse_signed_member_list(read_file(read_path(table["members"], self.folder), MAX_MEMBER_LIST_BYTES))
        key_file = read_path(table["meter_keys"], self.folder)
        self.meter_key_files.append((table["meter_keys"].where, key_file))
        keys = _meter_keys(key_file, len(signed.member_list.members))
        channel = signed.identity.id
        for name in ("evidence", "endorsements"):
            if (document := table.get(name, "")).value != "":
                self.documents[channel, name] = read_file(read_path(document, self.folder), MAX_DOCUMENT_BYTES)
        if inner := table.get("hand_over", {}).fields():
            self.hand_overs[channel] = self._carry_terms(inner, channel)
        if inner := table.get("standby", {}).fields():
            self.standbys[channel] = self._standby_terms(inner, channel)
        if inner := table.get("witness", {}).fields():
            self.witnesses[channel] = self._witness_terms(inner, channel)
        epoch_s = table.get("epoch_s", 86_400).integer(60, 31 * 86_400)
        start = table["first_period_start"]
        duty = Duty(signed.identity, epoch_s, start.integer(0, _LATEST_S), (MemberKeys(signed, keys),))
        table.close()
        if duty.first_period_start % epoch_s:
            raise start.refused(f"a multiple of {epoch_s}, the epoch,")
        self.duties.append(duty)

    def _witness_terms(self, table: Fields, channel: bytes) -> WitnessTerms:
        """The policy under which this operator's enclave asks others and, with ``listen``, answers."""
        terms = WitnessTerms(
            channel,
            *self._policy(table),
            read_peer(table.optional("listen"), "127.0.0.1:8552"),
        )
        table.close()
        return terms

    def _standby_terms(self, table: Fields, channel: bytes) -> StandbyTerms:
        """A standby's permit, and which of the two hosts this is; docs/howto/keep-a-standby.md."""
        host = read_peer(table.optional("host"), "192.0.2.1:8551")
        listen = read_peer(table.optional("listen"), "127.0.0.1:8551")
        if (host is None) == (listen is None):
            raise SettingInvalid(
                "the primary names the standby's host, the standby what it listens on",
                place=table["host"].where,
                expected="host or listen",
                hint="name one of the two",
            )
        after = table.get("take_over_after_s", 0)
        after_s = after.integer(0, 31 * SECONDS_PER_DAY)
        if after_s and host:
            raise SettingInvalid(
                "the standby takes over, not the primary", place=after.where, hint="set it on the standby's host"
            )
        return StandbyTerms(self._carry_terms(table, channel, PermitKind.STANDBY), host, listen, after_s)

    def _carry_terms(self, table: Fields, channel: bytes, kind: PermitKind = PermitKind.HAND_OVER) -> CarryTerms:
        """What the channel's manager signed for a hand-over or a standby; docs/spec/ra-tls.md."""
        giver = table.optional("giver") if kind is PermitKind.HAND_OVER else None
        permit = HandOverPermit(
            channel,
            _octets(table["operator"], 20),
            kind,
            _octets(table["from_measurement"], 32),
            _octets(table["to_measurement"], 32),
            _octets(table["to_platform"], 32),
            table["permit_until"].integer(0, _LATEST_S),
        )
        terms = CarryTerms(
            *self._policy(table),
            SignedPermit(permit, _octets(table["permit_signature"], 65)),
            read_peer(giver, "127.0.0.1:8550"),
        )
        table.close()
        return terms

    def _policy(self, table: Fields) -> tuple[bytes, tuple[bytes, ...], int, bytes]:
        """A policy with the roots it holds under, its end and its manager's signature."""
        policy = read_policy_file(table["policy"], self.folder)
        until, signature = table["policy_until"].integer(0, _LATEST_S), _octets(table["policy_signature"], 65)
        return policy, self.deployment.trust_roots, until, signature


def _octets(setting: Field, size: int) -> bytes:
    return setting.hex(size, any_case=True, prefixed=True)


def require_closed(path: Path) -> None:
    """Refuse a file of meter keys that others than its owner may read: it is as secret as a key file.

    Raises: KeyFileExposed.
    """
    if path.exists() and path.stat().st_mode & 0o077:
        read_key_file(path)  # says so


def _meter_keys(path: Path, count: int) -> list[bytes]:
    """One key a line, 64 hex digits, in the order of the member list."""
    lines = read_file(path, MAX_METER_KEYS_BYTES).splitlines()
    if len(lines) != count:
        raise SettingInvalid("one meter key a member", place=str(path), expected=count, actual=len(lines))
    if any(len(line) != 64 or any(digit not in b"0123456789abcdef" for digit in line) for line in lines):
        raise SettingInvalid("a meter key is 64 lower-case hex digits", place=str(path))
    return [bytes.fromhex(line.decode()) for line in lines]
