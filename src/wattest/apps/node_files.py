"""Configuration files of operators and watchers: TOML in, frozen values out, every mistake named with its place.

Decided here: which settings there are and how relative paths are read (from the file's own folder). Not decided here:
what the nodes do with them. Unknown settings are refused, so that a misspelt one cannot be silently off.
docs/howto/run-an-operator.md, docs/howto/run-a-watcher.md
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattest.attestation.appraisal_policy import DEFAULT_COLLATERAL_AGE_DAYS
from wattest.attestation.collateral_age import DEFAULT_WARN_DAYS
from wattest.chain.many_sent import IN_FLIGHT
from wattest.chain.pipeline import MAX_IN_FLIGHT
from wattest.chain.signers import SignerName, signer_name
from wattest.collateral.pccs import MAX_TLS_AUTHORITY_BYTES, ServiceSettings
from wattest.collateral.pccs_wire import ServiceKind
from wattest.config import ChainConfig
from wattest.crypto.toml_text import load_toml
from wattest.enclave.host.platforms import PLATFORMS, SIMULATOR, PlatformName
from wattest.errors import ConfigError, InputError
from wattest.io.files import read_key_file
from wattest.keys.carry_over import CarryTerms
from wattest.keys.key_life import KeySettings
from wattest.keys.standby import StandbyTerms
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, SignedPermit
from wattest.messages.member_list import parse_signed_member_list
from wattest.operator.witness_service import WitnessTerms
from wattest.receipt.deployment import MAX_DEPLOYMENT_BYTES, Deployment, parse_deployment
from wattest.store.back_ends import BUNDLE_STORES, INBOXES, OPERATOR_STORES, DataPlace
from wattest.store.duty import Duty, MemberKeys
from wattest.units import SECONDS_PER_DAY

MAX_FILE_BYTES = 64 * 1024
MAX_MEMBER_LIST_BYTES = 160 * 1024 * 1024
MAX_METER_KEYS_BYTES = 128 * 1024 * 1024
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
LONGEST_RENEWAL_S = 90 * SECONDS_PER_DAY


class SettingInvalid(ConfigError):
    """A missing, unknown or wrongly typed setting; ``place`` says which."""


class FileMissing(InputError):
    """A file that a configuration names and that cannot be read."""


@dataclass(frozen=True, slots=True)
class CollateralPlace:
    """Where collateral is kept, and the service that renews it; None: somebody else renews the file."""

    file: Path
    service: ServiceSettings | None
    maximum_age_days: int
    warn_days: int
    clock_tolerance_s: int


@dataclass(frozen=True, slots=True)
class OperatorFile:
    """An operator's configuration; paths are absolute. ``documents`` (channel, name) -> evidence, endorsements.

    ``collateral`` None: the platform issues its own.
    """

    chain: ChainConfig
    deployment: Deployment
    data: DataPlace
    signer: SignerName
    host: str
    port: int
    collect_grace_s: int
    release_after: int
    in_flight: int
    interval_s: float
    platform: PlatformName
    enclave_state_dir: Path
    duties: tuple[Duty, ...]
    documents: dict[tuple[bytes, str], bytes]
    appraisers: tuple[str, ...]
    brings_collateral: bool
    collateral: CollateralPlace | None
    keys: KeySettings
    hand_overs: dict[bytes, CarryTerms]
    standbys: dict[bytes, StandbyTerms]
    witnesses: dict[bytes, WitnessTerms]

    @property
    def data_dir(self) -> Path:
        """The folder of the operator's data."""
        return self.data.folder


@dataclass(frozen=True, slots=True)
class AppraiserFile:
    """An appraiser's configuration; ``policy`` is the policy file's bytes."""

    chain: ChainConfig
    deployment: Deployment
    key_file: Path
    policy: bytes
    host: str
    port: int
    registration_s: int


@dataclass(frozen=True, slots=True)
class WatcherFile:
    """A watcher's configuration; ``operators`` maps addresses (20 bytes) to server addresses."""

    chain: ChainConfig
    deployment: Deployment
    data_dir: Path
    signer: SignerName
    reader_key_file: Path
    interval_s: float
    max_challenges_per_batch: int
    unreachable_grace_s: int
    operators: dict[bytes, str]
    policy: bytes | None


class _Table:
    """One TOML table whose settings are taken one by one; what is left at the end is unknown."""

    def __init__(self, values: object, place: str) -> None:
        if not isinstance(values, dict):
            raise SettingInvalid("a table is missing", place=place, hint=f"add [{place}]")
        self._values = dict(values)
        self.place = place

    def take(self, name: str, kind: type, default: Any = None) -> Any:
        """A setting of this type; without a default it must be there."""
        value = self._values.pop(name, default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise SettingInvalid(
                "a setting is missing or of the wrong type",
                place=f"{self.place}.{name}",
                expected=kind.__name__,
                actual=None if value is None else type(value).__name__,
            )
        return value

    def number(self, name: str, default: Any, least: int, most: int) -> int:
        """A whole number in a range."""
        value = self.take(name, int, default)
        if not least <= value <= most:
            raise SettingInvalid(
                "a number is out of range", place=f"{self.place}.{name}", expected=f"{least} to {most}", actual=value
            )
        return int(value)

    def choice(self, name: str, default: str, known: Collection[str]) -> str:
        """One of these names."""
        value: str = self.take(name, str, default)
        if value not in known:
            raise SettingInvalid(
                "no such name", place=f"{self.place}.{name}", expected=" or ".join(sorted(known)), actual=value
            )
        return value

    def seconds(self, name: str, default: float) -> float:
        """A time span, a millisecond to a day; written as a whole number or with a fraction."""
        value = self.take(name, float, default)
        if not 0.001 <= value <= 86_400:  # which no NaN passes
            raise SettingInvalid(
                "a number is out of range", place=f"{self.place}.{name}", expected="0.001 to 86400", actual=value
            )
        return float(value)

    def path(self, name: str, folder: Path) -> Path:
        """A path, relative to the configuration file."""
        return folder.joinpath(str(self.take(name, str))).resolve()

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, empty when it is not there."""
        values = self.take(name, list, [])
        if any(type(value) is not str for value in values):
            raise SettingInvalid("a list of texts is needed", place=f"{self.place}.{name}", expected="texts in quotes")
        return tuple(values)

    def table(self, name: str, default: object = None) -> _Table:
        """A table inside this one."""
        return _Table(self._values.pop(name, default), f"{self.place}.{name}".lstrip("."))

    def tables(self, name: str) -> list[_Table]:
        """A list of tables."""
        values = self._values.pop(name, [])
        if not isinstance(values, list):
            raise SettingInvalid("a list of tables is needed", place=name, hint=f"write [[{name}]]")
        return [_Table(value, f"{name}[{at}]") for at, value in enumerate(values)]

    @property
    def is_given(self) -> bool:
        """Whether the table has a setting."""
        return bool(self._values)

    def octets(self, name: str, length: int) -> bytes:
        """Bytes in hex, with or without 0x."""
        text = self.take(name, str).removeprefix("0x").lower()
        if len(text) != 2 * length or any(digit not in "0123456789abcdef" for digit in text):
            raise SettingInvalid(
                "bytes are hex digits", place=f"{self.place}.{name}", expected=f"{2 * length} digits", actual=len(text)
            )
        return bytes.fromhex(text)

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._values:
            raise SettingInvalid(
                "unknown setting", place=self.place or "top", actual=sorted(self._values), hint="correct the name"
            )


def read_operator_file(path: Path) -> OperatorFile:
    """Read an operator's configuration with everything it names except secrets; raises ``SettingInvalid``."""
    folder, top = path.resolve().parent, _top(path)
    chain = _chain(top.table("chain"))
    operator, enclave = top.table("operator"), top.table("enclave")
    host, port = _listen(operator)
    deployment = _deployment(operator.path("deployment", folder))
    documents: dict[tuple[bytes, str], bytes] = {}
    hand_overs: dict[bytes, CarryTerms] = {}
    standbys: dict[bytes, StandbyTerms] = {}
    witnesses: dict[bytes, WitnessTerms] = {}
    duties = tuple(
        _duty(table, folder, documents, hand_overs, standbys, witnesses, deployment) for table in top.tables("channel")
    )
    registration, collateral, store = (top.table(name, {}) for name in ("registration", "collateral", "store"))
    result = OperatorFile(
        chain=chain,
        deployment=deployment,
        data=_data_place(operator.path("data", folder), store),
        signer=signer_name(operator.take("key", str), folder),
        host=host,
        port=port,
        collect_grace_s=operator.number("collect_grace_s", 300, 0, 86_400),
        release_after=operator.number("release_after", 8, 1, 1_000),
        in_flight=operator.number("in_flight", IN_FLIGHT, 1, MAX_IN_FLIGHT),
        interval_s=operator.seconds("interval_s", 5.0),
        platform=PlatformName(enclave.choice("kind", SIMULATOR, PLATFORMS), enclave.path("platform", folder)),
        enclave_state_dir=enclave.path("state", folder),
        duties=duties,
        documents=documents,
        appraisers=registration.texts("appraisers"),
        brings_collateral=registration.take("bring_collateral", bool, True),
        collateral=_collateral_place(collateral, folder) if collateral.is_given else None,
        keys=_key_settings(registration),
        hand_overs=hand_overs,
        standbys=standbys,
        witnesses=witnesses,
    )
    if standbys and result.keys.goes_on_after_revocation:
        raise SettingInvalid(
            "a primary that goes on after its key was revoked takes the channel back from its standby",
            place="registration.go_on_after_revocation",
            hint="set it to false",
        )
    for table in (operator, enclave, registration, store, top):
        table.end()
    if not result.duties:
        raise SettingInvalid("an operator serves at least one channel", place="channel", hint="add [[channel]]")
    return result


def read_appraiser_file(path: Path) -> AppraiserFile:
    """Read an appraiser's configuration with everything it names except its key; raises ``SettingInvalid``."""
    folder, top = path.resolve().parent, _top(path)
    chain, appraiser = _chain(top.table("chain")), top.table("appraiser")
    host, port = _listen(appraiser, "127.0.0.1:8549")
    result = AppraiserFile(
        chain=chain,
        deployment=_deployment(appraiser.path("deployment", folder)),
        key_file=appraiser.path("key", folder),
        policy=_read(appraiser.path("policy", folder), MAX_FILE_BYTES * 4),
        host=host,
        port=port,
        registration_s=appraiser.number("registration_days", 30, 1, 90) * SECONDS_PER_DAY,
    )
    for table in (appraiser, top):
        table.end()
    return result


def read_watcher_file(path: Path) -> WatcherFile:
    """Read a watcher's configuration with everything it names except secrets; raises ``SettingInvalid``."""
    folder, top = path.resolve().parent, _top(path)
    chain, watcher = _chain(top.table("chain")), top.table("watcher")
    operators: dict[bytes, str] = {}
    for table in top.tables("operator"):
        operators[_address(table.take("address", str), table.place)] = table.take("url", str)
        table.end()
    policy = watcher.take("policy", str, "")
    result = WatcherFile(
        chain=chain,
        deployment=_deployment(watcher.path("deployment", folder)),
        data_dir=watcher.path("data", folder),
        signer=signer_name(watcher.take("key", str), folder),
        reader_key_file=watcher.path("reader_key", folder),
        interval_s=watcher.seconds("interval_s", 5.0),
        max_challenges_per_batch=watcher.number("max_challenges_per_batch", 1, 0, 1_000),
        unreachable_grace_s=watcher.number("unreachable_grace_s", 3_600, 0, 7 * 86_400),
        operators=operators,
        policy=None if policy == "" else _read(folder / policy, MAX_FILE_BYTES * 4),
    )
    for table in (watcher, top):
        table.end()
    if not operators:
        raise SettingInvalid("a watcher watches at least one operator", place="operator", hint="add [[operator]]")
    return result


def _top(path: Path) -> _Table:
    raw = _read(path, MAX_FILE_BYTES)
    try:
        return _Table(load_toml(raw), "")
    except ValueError as error:
        raise SettingInvalid(f"the configuration is not TOML: {error}", place=str(path)) from error


def _chain(table: _Table) -> ChainConfig:
    config = ChainConfig(
        rpc_url=table.take("rpc_url", str),
        confirmations=table.number("confirmations", 1, 0, 10_000),
        request_timeout_s=table.seconds("request_timeout_s", 10.0),
        max_attempts=table.number("max_attempts", 8, 1, 100),
    )
    table.end()
    return config


def _key_settings(table: _Table) -> KeySettings:
    inclusion_margin_s = table.number("inclusion_margin_s", 120, 0, SECONDS_PER_DAY)
    return KeySettings(
        renew_before_s=table.number(
            "renew_before_s", 7 * SECONDS_PER_DAY, inclusion_margin_s + 1, 90 * SECONDS_PER_DAY
        ),
        inclusion_margin_s=inclusion_margin_s,
        rotate_every_s=table.number("rotate_every_days", 0, 0, 3_650) * SECONDS_PER_DAY,
        goes_on_after_miss=table.take("go_on_after_miss", bool, True),
        goes_on_after_revocation=table.take("go_on_after_revocation", bool, False),
    )


def _data_place(folder: Path, table: _Table) -> DataPlace:
    """The data folder, and which back ends keep what; ``[store]`` need not be there."""
    return DataPlace(
        folder,
        table.choice("tables", "sqlite", OPERATOR_STORES),
        table.choice("bundles", "files", BUNDLE_STORES),
        table.choice("inbox", "files", INBOXES),
    )


def _collateral_place(table: _Table, folder: Path) -> CollateralPlace:
    """Where collateral is kept and who is asked for it; docs/howto/run-an-operator.md."""
    url, kind = table.take("url", str, ""), table.take("service", str, "")
    authorities = table.take("tls_authorities", str, "")
    root_list_url = table.take("root_crl_url", str, "")
    unsafe_http = table.take("unsafe_http", bool, False)
    if not url and (kind or authorities or root_list_url or unsafe_http):
        raise SettingInvalid("a service is described and not named", place=f"{table.place}.url", hint="add url")
    if kind not in {"", *ServiceKind}:
        raise SettingInvalid(
            "no such kind of service", place=f"{table.place}.service", expected=list(ServiceKind), actual=kind
        )
    service = ServiceSettings(
        url,
        kind=ServiceKind(kind) if kind else None,
        tls_authorities=_read(folder / authorities, MAX_TLS_AUTHORITY_BYTES) if authorities else None,
        root_list_url=root_list_url or None,
        unsafe_http=unsafe_http,
    )
    place = CollateralPlace(
        table.path("file", folder),
        service if url else None,
        table.number("maximum_age_days", DEFAULT_COLLATERAL_AGE_DAYS, 1, 365),
        table.number("warn_days", DEFAULT_WARN_DAYS, 0, 365),
        table.number("clock_tolerance_s", 0, 0, SECONDS_PER_DAY),
    )
    table.end()
    return place


def _listen(table: _Table, default: str = "127.0.0.1:8547") -> tuple[str, int]:
    return parse_address(table.take("listen", str, default), f"{table.place}.listen", default)


def parse_address(text: str, place: str, example: str) -> tuple[str, int]:
    """A host and a port; raises ``SettingInvalid`` that names the place."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise SettingInvalid("not an address and port", place=place, actual=text, hint=f"one such as {example}")
    return host, int(port)


def _deployment(path: Path) -> Deployment:
    try:
        return parse_deployment(_read(path, MAX_DEPLOYMENT_BYTES))
    except InputError as error:
        error.fields.setdefault("path", str(path))
        raise


def _duty(
    table: _Table,
    folder: Path,
    documents: dict[tuple[bytes, str], bytes],
    hand_overs: dict[bytes, CarryTerms],
    standbys: dict[bytes, StandbyTerms],
    witnesses: dict[bytes, WitnessTerms],
    deployment: Deployment,
) -> Duty:
    signed = parse_signed_member_list(_read(table.path("members", folder), MAX_MEMBER_LIST_BYTES))
    keys = _meter_keys(table.path("meter_keys", folder), len(signed.member_list.members))
    for name in ("evidence", "endorsements"):
        if (text := table.take(name, str, "")) != "":
            documents[signed.identity.id, name] = _read(folder / text, MAX_DOCUMENT_BYTES)
    if (inner := table.table("hand_over", {})).is_given:
        hand_overs[signed.identity.id] = _carry_terms(inner, folder, signed.identity.id, deployment)
    if (inner := table.table("standby", {})).is_given:
        standbys[signed.identity.id] = _standby_terms(inner, folder, signed.identity.id, deployment)
    if (inner := table.table("witness", {})).is_given:
        witnesses[signed.identity.id] = _witness_terms(inner, folder, signed.identity.id, deployment)
    epoch_s = table.number("epoch_s", 86_400, 60, 31 * 86_400)
    duty = Duty(
        signed.identity,
        epoch_s,
        table.number("first_period_start", None, 0, 2**40),
        (MemberKeys(signed, keys),),
    )
    table.end()
    if duty.first_period_start % epoch_s:
        raise SettingInvalid(
            "a period starts at a multiple of the epoch",
            place=f"{table.place}.first_period_start",
            expected=f"a multiple of {epoch_s}",
            actual=duty.first_period_start,
        )
    return duty


def _witness_terms(table: _Table, folder: Path, channel: bytes, deployment: Deployment) -> WitnessTerms:
    """The policy under which this operator's enclave asks others and, with ``listen``, answers."""
    listen = table.take("listen", str, "")
    terms = WitnessTerms(
        channel,
        _read(table.path("policy", folder), MAX_FILE_BYTES * 4),
        deployment.trust_roots,
        table.number("policy_until", None, 0, 2**40),
        table.octets("policy_signature", 65),
        parse_address(listen, f"{table.place}.listen", "127.0.0.1:8552") if listen else None,
    )
    table.end()
    return terms


def _standby_terms(table: _Table, folder: Path, channel: bytes, deployment: Deployment) -> StandbyTerms:
    """A standby's permit, and which of the two hosts this is; docs/howto/keep-a-standby.md."""
    host, listen = table.take("host", str, ""), table.take("listen", str, "")
    if bool(host) == bool(listen):
        raise SettingInvalid(
            "the primary names the standby's host, the standby what it listens on",
            place=f"{table.place}.host",
            expected="host or listen",
            hint="name one of the two",
        )
    after_s = table.number("take_over_after_s", 0, 0, 31 * SECONDS_PER_DAY)
    if after_s and host:
        raise SettingInvalid(
            "the standby takes over, not the primary",
            place=f"{table.place}.take_over_after_s",
            hint="set it on the standby's host",
        )
    return StandbyTerms(
        _carry_terms(table, folder, channel, deployment, PermitKind.STANDBY),
        parse_address(host, f"{table.place}.host", "192.0.2.1:8551") if host else None,
        parse_address(listen, f"{table.place}.listen", "127.0.0.1:8551") if listen else None,
        after_s,
    )


def _carry_terms(
    table: _Table, folder: Path, channel: bytes, deployment: Deployment, kind: PermitKind = PermitKind.HAND_OVER
) -> CarryTerms:
    """What the channel's manager signed for a hand-over or a standby; docs/spec/ra-tls.md."""
    giver = table.take("giver", str, "") if kind is PermitKind.HAND_OVER else ""
    permit = HandOverPermit(
        channel,
        table.octets("operator", 20),
        kind,
        table.octets("from_measurement", 32),
        table.octets("to_measurement", 32),
        table.octets("to_platform", 32),
        table.number("permit_until", None, 0, 2**40),
    )
    terms = CarryTerms(
        _read(table.path("policy", folder), MAX_FILE_BYTES * 4),
        deployment.trust_roots,
        table.number("policy_until", None, 0, 2**40),
        table.octets("policy_signature", 65),
        SignedPermit(permit, table.octets("permit_signature", 65)),
        parse_address(giver, f"{table.place}.giver", "127.0.0.1:8550") if giver else None,
    )
    table.end()
    return terms


def _meter_keys(path: Path, count: int) -> list[bytes]:
    """One key a line, 64 hex digits, in the order of the member list; the file is as secret as a key file."""
    if path.exists() and path.stat().st_mode & 0o077:
        read_key_file(path)  # says that others may read it
    lines = _read(path, MAX_METER_KEYS_BYTES).splitlines()
    if len(lines) != count:
        raise SettingInvalid("one meter key a member", place=str(path), expected=count, actual=len(lines))
    if any(len(line) != 64 or any(digit not in b"0123456789abcdef" for digit in line) for line in lines):
        raise SettingInvalid("a meter key is 64 lower-case hex digits", place=str(path))
    return [bytes.fromhex(line.decode()) for line in lines]


def _address(text: str, place: str) -> bytes:
    digits = text.removeprefix("0x").lower()
    if len(digits) != 40 or any(digit not in "0123456789abcdef" for digit in digits):
        raise SettingInvalid("not an address", place=f"{place}.address", actual=text)
    return bytes.fromhex(digits)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise FileMissing(f"a file cannot be read: {error.strerror}", path=path) from error
    if len(data) > limit:
        raise FileMissing("a file is too large", path=path, limit_bytes=limit)
    return data
