"""A small community on real parts: anvil, contracts, a simulated platform with its enclave process, meters, operators.

Windows are those of the defaults: the chain's clock is moved, never the windows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from machines import shared_machine
from waiting import HANG_S

from wattest.appraiser.appraiser import Appraiser, RegistrationRequest, collect_verdict
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.policy_for_chain import channel_policy
from wattest.attestation.roots import parse_root
from wattest.chain.anvil import Anvil
from wattest.chain.client import ChainClient, TransactionJournal
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.chain.deploy import ContractAddresses, deploy_all, referee_at
from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee import Referee
from wattest.chain.registry import EnclaveRegistry
from wattest.config import ChainConfig
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.io.files import write_key_file
from wattest.keys.quote_registrar import QuoteRegistrar
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.member_list import Member, MemberList, sign_member_list
from wattest.messages.report_data import KeyBinding
from wattest.metering.device_block import sign_device_block
from wattest.metering.meter import meter_key_commitment, pseudonym
from wattest.metering.records import make_device_records
from wattest.receipt.deployment import Deployment
from wattest.store.duty import Duty, MemberKeys
from wattest.twin.challenge import ChallengeTerms
from wattest.twin.parameters import ChannelParameters

EPOCH_S = 86_400
COMMIT_DEADLINE_S = 7_200
FIRST_PERIOD = 1_699_920_000  # a multiple of the epoch
GENESIS_S = FIRST_PERIOD + 3_600
ETHER = 10**18
PARAMETERS = ChannelParameters(
    epoch_s=EPOCH_S,
    commit_deadline_s=COMMIT_DEADLINE_S,
    challenge_window_s=7 * 86_400,
    exit_delay_s=21 * 86_400,
    stake_wei=ETHER,
    catcher_reward_wei=ETHER // 5,
    gas_reserve_wei=ETHER // 100,
)
TERMS = ChallengeTerms(
    answer_window_s=86_400, base_bond_wei=ETHER // 100, answer_gas_cap_wei=ETHER // 200, max_gas_price_wei=10**11
)


def seed(label: str, length: int = 32) -> bytes:
    return hashlib.shake_256(f"wattest node test {label}".encode()).digest(length)


@dataclass
class Household:
    meter: P256PrivateKey
    meter_key: bytes
    reader: ReaderPrivateKey

    @classmethod
    def make(cls, label: str) -> Household:
        return cls(
            P256PrivateKey.from_seed(seed(f"{label} meter")),
            seed(f"{label} meter key"),
            ReaderPrivateKey.from_seed(seed(f"{label} reader")),
        )

    def block(self, period_start: int, *, count: int = 96, watt_hours: int = 100) -> bytes:
        """A signed day of quarter hours with registers that continue from day to day."""
        day = (period_start - FIRST_PERIOD) // EPOCH_S
        energy = watt_hours * 1000
        registers = (np.arange(count, dtype=np.uint64) + 1 + day * 96) * energy
        records = make_device_records(
            pseudonym(self.meter.public_key),
            start=period_start + 900 * np.arange(count, dtype=np.uint64),
            duration_s=900,
            import_register=registers,
            export_register=0,
            import_milliwatt_hours=energy,
            export_milliwatt_hours=0,
        )
        return sign_device_block(self.meter, period_start, period_start + EPOCH_S, records).to_bytes()


@dataclass
class Community:
    """Everything that exists before an operator starts."""

    folder: Path
    anvil: Anvil
    contracts: ContractAddresses
    manager: LocalSigner
    platform: SimulatedPlatform
    households: list[Household]
    watcher_reader: ReaderPrivateKey
    operator_key: bytes
    channel: ChannelIdentity
    members: Any
    process: EnclaveProcess
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def duty(self) -> Duty:
        keys = MemberKeys(
            self.members, [self.extra["meter_keys"][m.public_key] for m in self.members.member_list.members]
        )
        return Duty(self.channel, EPOCH_S, FIRST_PERIOD, (keys,))

    def client(self, *, url: str | None = None, journal: TransactionJournal | None = None) -> ChainClient:
        config = ChainConfig(confirmations=0, max_attempts=3)
        return ChainClient.connect(url or self.anvil.url, config=config, journal=journal, receipt_timeout_s=HANG_S)

    def referee(self, client: ChainClient | None = None) -> Referee:
        return referee_at(client or self.client(), self.contracts)


def write_operator_files(
    community: Community,
    folder: Path,
    *,
    rpc_url: str | None = None,
    platforms: Sequence[SimulatedPlatform] = (),
    home: str = "",
    operator_key: bytes = b"",
) -> Path:
    """The configuration of ``wattest operator run`` and everything it names; the path of the TOML file.

    ``platforms`` are trusted besides the community's own; ``home`` ends the names of the platform's and the enclave's
    folders, for another host's; ``operator_key`` is another operator's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    client = community.client()
    contracts = community.contracts
    is_by_quote = any(contracts.collateral)
    deployment = Deployment(
        chain_id=client.chain_id,
        genesis_hash=client.block(0).hash,
        deployed_at_block=contracts.deployed_at_block,
        referee=contracts.referee,
        challenges=contracts.challenges,
        fraud_proofs=contracts.fraud_proofs,
        registry=contracts.registry,
        verifier=contracts.verifier,
        payouts=contracts.payouts,
        first_light=contracts.first_light,
        token=contracts.token,
        appraisers=() if is_by_quote else (Secp256k1PrivateKey.from_seed(seed("appraiser")).address,),
        threshold=0 if is_by_quote else 1,
        collateral=contracts.collateral,
        trust_roots=tuple(one.root_certificate for one in (community.platform, *platforms)),
        channels=(community.channel,),
    )
    (folder / "deployment.json").write_bytes(deployment.to_bytes())
    (folder / "members.bin").write_bytes(community.members.to_bytes())
    write_key_file(folder / "operator.key", operator_key or community.operator_key)
    keys = community.duty.member_lists[0].meter_keys
    (folder / "meter-keys.txt").touch(mode=0o600)
    (folder / "meter-keys.txt").write_text("".join(f"{key.hex()}\n" for key in keys))
    (folder / "quote.bin").write_bytes(community.extra["request"].evidence)
    (folder / "collateral.json").write_bytes(community.extra["request"].endorsements)
    path = folder / "operator.toml"
    path.write_text(
        f"""
[chain]
rpc_url = "{rpc_url or community.anvil.url}"
confirmations = 0
max_attempts = 3

[operator]
deployment = "deployment.json"
data = "data"
key = "operator.key"
listen = "127.0.0.1:0"
collect_grace_s = 0

[enclave]
platform = "{community.folder / f"platform{home}"}"
state = "{community.folder / f"enclave{home}"}"

[[channel]]
members = "members.bin"
meter_keys = "meter-keys.txt"
evidence = "quote.bin"
endorsements = "collateral.json"
epoch_s = {EPOCH_S}
first_period_start = {FIRST_PERIOD}
"""
    )
    return path


def build_community(
    folder: Path,
    *,
    households: int = 3,
    deposit_ether: int = 20,
    by_quote: bool = False,
    is_registered: bool = True,
    token_supply: int = 0,
) -> Community:
    """Start anvil and an enclave, deploy, create the channel, register the enclave's key, deposit.

    ``by_quote``: the contract judges the enclave's quote by itself, and there is no appraiser. Without
    ``is_registered`` its key is left to whoever keeps keys, and no collateral is on chain. ``token_supply`` is in
    cents, all of it the manager's; zero: there is no token.
    """
    anvil = Anvil.create(folder / "chain", genesis_timestamp_s=GENESIS_S).start()
    try:
        return _build(
            folder, anvil, households, deposit_ether,
            by_quote=by_quote, is_registered=is_registered, token_supply=token_supply,
        )  # fmt: skip
    except BaseException:
        anvil.stop()
        raise


def _build(
    folder: Path,
    anvil: Anvil,
    households: int,
    deposit_ether: int,
    *,
    by_quote: bool,
    is_registered: bool,
    token_supply: int,
) -> Community:
    manager_key, operator_key = seed("manager"), seed("operator")
    manager, operator = LocalSigner(manager_key), LocalSigner(operator_key)
    for signer in (manager, operator):
        anvil.fund(signer.address, 1_000 * ETHER)
    appraiser_key = Secp256k1PrivateKey.from_seed(seed("appraiser"))
    client = ChainClient.connect(anvil.url, config=ChainConfig(confirmations=0))
    quorum: dict[str, Any] = {} if by_quote else {"appraisers": [appraiser_key.address], "threshold": 1}
    contracts = deploy_all(client, manager, demo_token_supply=token_supply, **quorum)
    referee = referee_at(client, contracts)
    registry = EnclaveRegistry(client, contracts.registry)
    channel = ChannelIdentity(manager.address, ChannelKind.SCHEDULED, seed("channel"))
    referee.create_standard_channel(manager, channel.kind, channel.salt, PARAMETERS, TERMS)
    referee.set_roster_count(manager, channel.id, households, FIRST_PERIOD)
    homes = [Household.make(str(index)) for index in range(households)]
    watcher_reader = ReaderPrivateKey.from_seed(seed("watcher reader"))
    members = tuple(
        sorted(
            (Member(h.meter.public_key, meter_key_commitment(h.meter_key), h.reader.public_key) for h in homes),
            key=lambda member: member.public_key,
        )
    )
    signed = sign_member_list(
        Secp256k1PrivateKey.from_seed(manager_key),
        MemberList(channel.id, FIRST_PERIOD, members, (watcher_reader.public_key,)),
        channel,
        referee.domain,
    )
    platform = shared_machine(folder / "platform", GENESIS_S)
    process = EnclaveProcess(platform, folder / "enclave")
    enclave = process.start()
    try:
        nonce_block = registry.recent_nonce()
        binding = KeyBinding(client.chain_id, contracts.referee, channel.id, operator.address, nonce_block.hash)
        identity = enclave.create_identity(binding, channel)
        description = enclave.describe()
        policy = f'version = 1\n[[enclave]]\nname = "wattest"\nmr_enclave = "{description.measurement.hex()}"\n'
        appraiser = Appraiser(
            appraiser_key,
            policy.encode(),
            [parse_root(platform.root_certificate)],
            frozenset({description.vee_workload}),
        )
        request = RegistrationRequest(
            binding,
            identity.address,
            identity.evidence,
            platform.collateral(GENESIS_S).to_json(),
            nonce_block.number,
            description.vee_workload,
        )
        if by_quote:
            verifier = DcapVerifier(client, contracts.verifier)
            on_chain = channel_policy(
                parse_policy(policy.encode()),
                roots=[parse_root(platform.root_certificate)],
                workloads=[description.vee_workload],
            )
            verifier.set_policy(manager, contracts.referee, channel.id, on_chain)
        verdict = None
        if is_registered:
            if by_quote:
                proven = QuoteRegistrar(verifier, publisher=operator).prove(request, client.now())
                verdict, signatures = proven.verdict, [proven.proof]
            else:
                verdict, signatures = collect_verdict([appraiser], request, registry.domain, client.now())
            registry.register(operator, verdict, signatures)
        referee.deposit(operator, channel.id, deposit_ether * ETHER)
    except BaseException:
        process.stop()
        raise
    return Community(
        folder,
        anvil,
        contracts,
        manager,
        platform,
        homes,
        watcher_reader,
        operator_key,
        channel,
        signed,
        process,
        extra={
            "meter_keys": {h.meter.public_key: h.meter_key for h in homes},
            "identity": identity,
            "request": request,
            "policy": policy,
            "verdict": verdict,
            "appraiser_seed": seed("appraiser"),
            "watcher_reader_seed": seed("watcher reader"),
        },
    )


def destroy(community: Community) -> None:
    community.process.stop()
    community.anvil.stop()


def as_json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
