"""An operator's configuration file: TOML in, frozen values out. docs/howto/run-an-operator.md

Decided here: which settings there are besides those of channels (``channel_tables``). Not decided here: how one is read
(``settings_reader``), what an operator does with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wattest.apps.channel_tables import ChannelTables
from wattest.apps.open_channel_tables import read_open_channels
from wattest.apps.settings_reader import (
    MAX_TABLES,
    SettingInvalid,
    read_chain,
    read_deployment,
    read_file,
    read_listen,
    read_path,
    read_production,
    read_seconds,
    read_settings,
    read_text,
)
from wattest.attestation.appraisal_policy import DEFAULT_COLLATERAL_AGE_DAYS
from wattest.attestation.collateral_age import DEFAULT_WARN_DAYS
from wattest.chain.many_sent import IN_FLIGHT
from wattest.chain.pipeline import MAX_IN_FLIGHT
from wattest.chain.signers import SignerName, signer_name
from wattest.collateral.pccs import MAX_TLS_AUTHORITY_BYTES, ServiceSettings
from wattest.collateral.pccs_wire import ServiceKind
from wattest.config import ChainConfig
from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.platforms import PLATFORMS, SIMULATOR, PlatformName
from wattest.keys.carry_over import CarryTerms
from wattest.keys.key_life import KeySettings
from wattest.keys.standby import StandbyTerms
from wattest.operator.witness_service import WitnessTerms
from wattest.receipt.deployment import Deployment
from wattest.store.back_ends import BUNDLE_STORES, INBOXES, OPERATOR_STORES, DataPlace
from wattest.store.duty import Duty, OpenDuty
from wattest.units import SECONDS_PER_DAY

LONGEST_RENEWAL_S = 90 * SECONDS_PER_DAY


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

    production: bool | None
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
    open_duties: tuple[OpenDuty, ...]
    documents: dict[tuple[bytes, str], bytes]
    appraisers: tuple[str, ...]
    brings_collateral: bool
    collateral: CollateralPlace | None
    keys: KeySettings
    hand_overs: dict[bytes, CarryTerms]
    standbys: dict[bytes, StandbyTerms]
    witnesses: dict[bytes, WitnessTerms]
    meter_key_files: tuple[tuple[str, Path], ...]

    @property
    def data_dir(self) -> Path:
        """The folder of the operator's data."""
        return self.data.folder


def read_operator_file(path: Path) -> OperatorFile:
    """Read an operator's configuration with everything it names except secrets; raises ``SettingInvalid``."""
    folder, top = path.resolve().parent, read_settings(path)
    chain = read_chain(top["chain"].fields())
    operator, enclave = top["operator"].fields(), top["enclave"].fields()
    host, port = read_listen(operator, "127.0.0.1:8547")
    channels = ChannelTables(folder, read_deployment(operator["deployment"], folder))
    for entry in top["channel"].items(MAX_TABLES, 1):
        channels.take(entry)
    registration, collateral, store = (top.get(name, {}).fields() for name in ("registration", "collateral", "store"))
    result = OperatorFile(
        production=read_production(top),
        chain=chain,
        deployment=channels.deployment,
        data=DataPlace(
            read_path(operator["data"], folder),
            store.get("tables", "sqlite").one_of(OPERATOR_STORES),
            store.get("bundles", "files").one_of(BUNDLE_STORES),
            store.get("inbox", "files").one_of(INBOXES),
        ),
        signer=signer_name(read_text(operator["key"]), folder),
        host=host,
        port=port,
        collect_grace_s=operator.get("collect_grace_s", 300).integer(0, 86_400),
        release_after=operator.get("release_after", 8).integer(1, 1_000),
        in_flight=operator.get("in_flight", IN_FLIGHT).integer(1, MAX_IN_FLIGHT),
        interval_s=read_seconds(operator.get("interval_s", 5.0)),
        platform=PlatformName(enclave.get("kind", SIMULATOR).one_of(PLATFORMS), read_path(enclave["platform"], folder)),
        enclave_state_dir=read_path(enclave["state"], folder),
        duties=tuple(channels.duties),
        open_duties=read_open_channels(
            top.get("open_channel", []).items(MAX_TABLES), channels.deployment, channels.duties
        ),
        documents=channels.documents,
        appraisers=registration.get("appraisers", []).each(read_text, MAX_TABLES),
        brings_collateral=registration.get("bring_collateral", True).boolean(),
        collateral=_collateral_place(collateral, folder) if collateral else None,
        keys=_key_settings(registration),
        hand_overs=channels.hand_overs,
        standbys=channels.standbys,
        witnesses=channels.witnesses,
        meter_key_files=tuple(channels.meter_key_files),
    )
    if result.standbys and result.keys.goes_on_after_revocation:
        raise SettingInvalid(
            "a primary that goes on after its key was revoked takes the channel back from its standby",
            place="registration.go_on_after_revocation",
            hint="set it to false",
        )
    for table in (operator, enclave, registration, store, top):
        table.close()
    return result


def _key_settings(table: Fields) -> KeySettings:
    inclusion_margin_s = table.get("inclusion_margin_s", 120).integer(0, SECONDS_PER_DAY)
    renew_before = table.get("renew_before_s", 7 * SECONDS_PER_DAY)
    return KeySettings(
        renew_before_s=renew_before.integer(inclusion_margin_s + 1, LONGEST_RENEWAL_S),
        inclusion_margin_s=inclusion_margin_s,
        rotate_every_s=table.get("rotate_every_days", 0).integer(0, 3_650) * SECONDS_PER_DAY,
        goes_on_after_miss=table.get("go_on_after_miss", True).boolean(),
        goes_on_after_revocation=table.get("go_on_after_revocation", False).boolean(),
    )


def _collateral_place(table: Fields, folder: Path) -> CollateralPlace:
    """Where collateral is kept and who is asked for it; docs/howto/run-an-operator.md."""
    url, root_list_url = read_text(table.get("url", "")), read_text(table.get("root_crl_url", ""))
    kind, authorities = table.get("service", ""), table.get("tls_authorities", "")
    unsafe_http = table.get("unsafe_http", False).boolean()
    if not url and (kind.value or authorities.value or root_list_url or unsafe_http):
        raise SettingInvalid("a service is described and not named", place=table["url"].where, hint="add url")
    service = ServiceSettings(
        url,
        kind=None if kind.value == "" else kind.member_of(ServiceKind),
        tls_authorities=None
        if authorities.value == ""
        else read_file(read_path(authorities, folder), MAX_TLS_AUTHORITY_BYTES),
        root_list_url=root_list_url or None,
        unsafe_http=unsafe_http,
    )
    place = CollateralPlace(
        read_path(table["file"], folder),
        service if url else None,
        table.get("maximum_age_days", DEFAULT_COLLATERAL_AGE_DAYS).integer(1, 365),
        table.get("warn_days", DEFAULT_WARN_DAYS).integer(0, 365),
        table.get("clock_tolerance_s", 0).integer(0, SECONDS_PER_DAY),
    )
    table.close()
    return place
