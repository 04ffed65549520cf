"""Registration without an appraiser: quotes judged by the contract on anvil, accepted and refused as appraisal does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from quote_world import (
    DAY,
    MEASUREMENT,
    PLAIN_ATTRIBUTES,
    SIGNER,
    WORKLOAD,
    QuoteWorld,
    build_world,
    policy_text,
    secret,
)

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.chain_evidence import EvidenceNotForChain, chain_evidence, chain_quote
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import parse_collateral
from wattest.attestation.policy_for_chain import advisories_digest, channel_policy
from wattest.attestation.roots import intel_root, parse_root
from wattest.chain.anvil import Anvil
from wattest.chain.local_signer import LocalSigner
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import WattestError
from wattest.messages.channel_policy import TcbStatus
from wattest.messages.report_data import report_data
from wattest.twin import dcap_errors as quotes
from wattest.twin import errors as refusals

pytestmark = pytest.mark.e2e
START = 1_800_000_000
FIRST_TARGET, NEXT_TARGET = 400_000, 180_000
NEW_BINDING = 190_000
"""An operator or channel that is new on a known platform writes two more slots of the enclave registry."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuoteWorld]:
    folder = tmp_path_factory.mktemp("quotes")
    with Anvil.create(folder / "chain", genesis_timestamp_s=START) as anvil:
        world = build_world(anvil, folder)
        world.publish()
        world.set_policy()
        world.register(world.request())  # from here on the PCK certificate is kept
        yield world


@pytest.fixture
def world(prepared: QuoteWorld) -> Iterator[QuoteWorld]:
    snapshot = prepared.client.rpc.request("evm_snapshot")
    yield prepared
    prepared.client.rpc.request("evm_revert", snapshot)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[QuoteWorld]:
    """A chain of its own, for tests that bring other collateral: anvil keeps code across a revert of its state."""
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=START) as anvil:
        world = build_world(anvil, tmp_path)
        world.publish()
        world.set_policy()
        yield world


def reason(world: QuoteWorld, work: Callable[[], object]) -> WattestError:
    with pytest.raises(WattestError) as caught:
        work()
    return caught.value


def test_gas_of_a_registration_is_within_its_targets(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=START) as anvil:
        world = build_world(anvil, tmp_path)
        world.publish()
        world.set_policy()
        first = world.request()
        assert world.register(first).gas_used <= FIRST_TARGET
        assert world.is_active(first.enclave_key)
        another = world.request()
        assert world.register(another).gas_used <= NEXT_TARGET
        anvil.advance_to(anvil.now() + 60)
        assert world.register(world.request(key=another.enclave_key)).gas_used <= NEXT_TARGET
        assert not world.is_active(first.enclave_key)
        newcomer = LocalSigner(secret("newcomer"))
        anvil.fund(newcomer.address, 10**20)
        assert world.register(world.request(operator=newcomer), newcomer).gas_used <= NEW_BINDING
        elsewhere = world.new_channel("elsewhere")
        world.set_policy(channel=elsewhere)
        assert world.register(world.request(channel=elsewhere)).gas_used <= NEW_BINDING


def test_what_is_bound_is_bound(world: QuoteWorld) -> None:
    """Key, chain, referee, channel, operator and nonce: another one in the quote is another report data."""
    stranger_key = Secp256k1PrivateKey.from_seed(secret("stranger's key")).address
    others: dict[str, Any] = {
        "enclave_key": stranger_key,
        "chain_id": 1,
        "referee": stranger_key,
        "channel": bytes(32),
        "operator": stranger_key,
        "nonce": bytes(32),
    }
    for name, value in others.items():
        error = reason(world, lambda name=name, value=value: world.register(world.request(bound={name: value})))  # type: ignore[misc]
        assert isinstance(error, quotes.ReportDataMismatch), name
    assert world.register(world.request())


def test_a_tail_in_the_report_data_is_refused(world: QuoteWorld) -> None:
    request = world.request()
    tailed = world.platform.quote(
        measurement=MEASUREMENT,
        signer=SIGNER,
        product=7,
        svn=3,
        report_data=report_data(request.binding, request.enclave_key)[:32] + b"\x01" * 32,
    )
    error = reason(world, lambda: world.register(replace(request, evidence=tailed)))
    assert isinstance(error, quotes.ReportDataMismatch)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"attributes": bytes([0x07]) + PLAIN_ATTRIBUTES[1:]}, quotes.EnclaveInDebugMode),
        ({"attributes": bytes([0x04]) + PLAIN_ATTRIBUTES[1:]}, quotes.EnclaveNotInitialised),
        ({"attributes": bytes([0x15]) + PLAIN_ATTRIBUTES[1:]}, quotes.EnclaveHasProvisionKey),
        ({"attributes": bytes([0x25]) + PLAIN_ATTRIBUTES[1:]}, quotes.EnclaveHasLaunchKey),
        ({"attributes": bytes([0x85]) + PLAIN_ATTRIBUTES[1:]}, quotes.AttributesMismatch),
        ({"attributes": PLAIN_ATTRIBUTES[:8] + bytes([0x0B]) + bytes(7)}, quotes.AttributesMismatch),
        ({"misc_select": 1}, quotes.MiscSelectMismatch),
        ({"measurement": SIGNER}, quotes.EnclaveUnwanted),
        ({"workload": SIGNER}, quotes.EnclaveUnwanted),
    ],
    ids=["debug", "INIT", "PROVISION_KEY", "EINITTOKEN_KEY", "flags", "XFRM", "MISCSELECT", "measurement", "workload"],
)
def test_what_the_enclave_may_not_be(world: QuoteWorld, change: dict[str, Any], expected: type[WattestError]) -> None:
    request = world.request(**change)
    assert isinstance(reason(world, lambda: world.register(request)), expected)
    off_chain = appraise(
        parse_evidence(request.evidence),
        parse_endorsements(request.endorsements),
        parse_policy(policy_text()),
        [world.root],
        world.client.now(),
        expectation=Expectation(report_data=report_data(request.binding, request.enclave_key)),
    )
    # the workload is the registration's, not the quote's: appraisers compare it beside the appraisal
    assert off_chain.accepted == ("workload" in change)


def test_every_changed_bit_of_the_signed_parts_is_refused(world: QuoteWorld) -> None:
    request = world.request()
    proven = world.prove(request)
    quote = chain_quote(parse_evidence(request.evidence))
    head = proven.proof[: -len(quote)]
    expected = {
        0: {"QuoteKindUnknown"},
        12: {"QeVendorUnknown"},
        30: {"ReportSignatureInvalid"},
        112: {"ReportSignatureInvalid"},
        400: {"ReportSignatureInvalid"},
        440: {"ReportSignatureInvalid"},
        510: {"AttestationKeyForeign"},
        600: {"QeReportSignatureInvalid"},
        900: {"QeReportSignatureInvalid"},
        950: {"QeReportSignatureInvalid"},
        1012: {"QuoteLengthInvalid"},
        1020: {"AttestationKeyForeign"},
    }
    for at, codes in expected.items():
        changed = bytearray(quote)
        changed[at] ^= 1
        error = reason(world, lambda c=changed: world.register_proven(replace(proven, proof=head + bytes(c))))  # type: ignore[misc]
        assert error.code in codes, at
    for at in range(1, 199):  # the facts of the PCK certificate are one hash
        if at % 13 == 0:
            bad = bytearray(proven.proof)
            bad[at] ^= 1
            error = reason(world, lambda b=bad: world.register_proven(replace(proven, proof=bytes(b))))  # type: ignore[misc]
            assert error.code == "PckCertificateUnknown", at
    for short in (b"", b"\x01", proven.proof[:150], b"\x03" + proven.proof[1:], b"\x02" + bytes(40)):
        error = reason(world, lambda s=short: world.register_proven(replace(proven, proof=s)))  # type: ignore[misc]
        assert error.code == "EvidenceMalformed"
    world.register_proven(proven)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("measurement", SIGNER, "MeasurementMismatch"),
        ("platform", SIGNER, "PlatformMismatch"),
        ("policy_digest", SIGNER, "PolicyDigestMismatch"),
        ("workload", SIGNER, "EnclaveUnwanted"),
        ("issued_at", -7200, "VerdictTooOld"),
        ("expires_at", 1, "RegistrationTooLong"),
    ],
    ids=["measurement", "platform", "policy digest", "workload", "issued at", "expires at"],
)
def test_a_verdict_must_say_what_the_quote_says(world: QuoteWorld, field: str, value: Any, code: str) -> None:
    proven = world.prove(world.request())
    changed = getattr(proven.verdict, field) + value if isinstance(value, int) else value
    verdict = replace(proven.verdict, **{field: changed})
    if field == "issued_at":
        verdict = replace(verdict, expires_at=verdict.expires_at - 7200)
    assert reason(world, lambda: world.register_proven(replace(proven, verdict=verdict))).code == code
    world.register_proven(proven)


def test_without_a_policy_nothing_is_registered(fresh: QuoteWorld) -> None:
    world = fresh  # on a chain that was reverted it was now and then refused for a stale nonce; why is not known
    channel = world.new_channel("without policy")
    request = world.request(channel=channel)
    assert reason(world, lambda: world.register(request)).code == "PolicyMissing"
    of_other = world.prove(world.request())
    verdict = replace(of_other.verdict, channel=channel.id)
    assert reason(world, lambda: world.register_proven(replace(of_other, verdict=verdict))).code == "PolicyMissing"


def test_only_the_manager_sets_policy_and_none_can_be_loose(world: QuoteWorld) -> None:
    channel = world.new_channel("strict")
    policy = world.policy()
    verifier, referee = world.verifier, world.referee

    def setting(**changes: Any) -> Callable[[], object]:
        return lambda: verifier.set_policy(world.manager, referee, channel.id, replace(policy, **changes))

    for who in (world.operator, world.stranger):
        error = reason(world, lambda who=who: verifier.set_policy(who, referee, channel.id, policy))  # type: ignore[misc]
        assert isinstance(error, quotes.NotPolicyManager)
    one = policy.references[0]
    for changes in (
        {"digest": bytes(32)},
        {"max_collateral_age_s": 0},
        {"max_collateral_age_s": 366 * DAY},
        {"max_registration_s": 0},
        {"flags": b"\x07" + bytes(7)},
        {"flags": b"\x15" + bytes(7)},
        {"flags": b"\x25" + bytes(7)},
        {"flags": b"\x04" + bytes(7)},
        {"xfrm_mask": bytes(8), "xfrm": bytes(8)},
        {"references": ()},
        {"references": (one, one)},
        {"references": (replace(one, root=bytes(32)),)},
        {"references": (replace(one, workload=bytes(32)),)},
        {"references": (replace(one, measurement=bytes(32)),)},
        {"references": (replace(one, signer=SIGNER),)},
        {"references": (replace(one, until=0),)},
        {"platforms": (SIGNER,)},
    ):
        assert isinstance(reason(world, setting(**changes)), quotes.PolicyInvalid), changes
    verifier.set_policy(world.manager, referee, channel.id, policy)
    assert reason(world, setting()).code == "PolicyInForce"


def test_the_next_policy_waits_and_a_withdrawal_does_not(fresh: QuoteWorld) -> None:
    world = fresh
    verifier, referee, channel, manager = world.verifier, world.referee, world.channel.id, world.manager
    looser = world.policy("maximum_collateral_age_days = 30\n")
    verifier.queue_policy(manager, referee, channel, looser)
    assert reason(world, lambda: verifier.apply_policy(manager, referee, channel, looser)).code == "PolicyNotReady"
    assert verifier.policy_of(referee, channel).head.max_collateral_age_s == 7 * DAY
    world.anvil.advance_to(world.anvil.now() + 2 * DAY)
    other = world.policy("maximum_collateral_age_days = 31\n")
    assert reason(world, lambda: verifier.apply_policy(manager, referee, channel, other)).code == "PolicyNotQueued"
    verifier.apply_policy(manager, referee, channel, looser)
    held = verifier.policy_of(referee, channel)
    assert (held.head.version, held.head.max_collateral_age_s, held.digest) == (2, 30 * DAY, looser.digest)
    assert [change.name for change in verifier.policy_changes(referee, channel)] == [
        "PolicySet", "PolicyQueued", "PolicySet",
    ]  # fmt: skip
    world.publish()
    request = world.request()
    world.register(request)
    verifier.withdraw_reference(manager, referee, channel, looser.references[0])
    assert reason(world, lambda: world.register(world.request())).code == "EnclaveUnwanted"
    world.revoke(request)
    assert not world.is_active(request.enclave_key)
    gone = looser.references[0]
    error = reason(world, lambda: verifier.withdraw_reference(manager, referee, channel, gone))
    assert error.code == "PolicyEntryMissing"


def test_collateral_missing_expired_old_and_revoked_are_different_refusals(tmp_path: Path) -> None:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=START) as anvil:
        world = build_world(anvil, tmp_path)
        world.set_policy()
        assert reason(world, lambda: world.register(world.request())).code == "CollateralMissing"
        world.publish()
        request = world.request()
        world.register(request)
        anvil.advance_to(anvil.now() + 8 * DAY)
        assert reason(world, lambda: world.register(world.request())).code == "CollateralTooOld"
        anvil.advance_to(anvil.now() + 30 * DAY)
        assert reason(world, lambda: world.register(world.request())).code == "CollateralExpired"
        # A griefer may let collateral lapse; that revokes nobody.
        assert reason(world, lambda: world.revoke(request)).code == "NothingAgainst"
        world.publish(CollateralOptions(revoke_pck=True))
        assert reason(world, lambda: world.register(world.request())).code == "CollateralRevoked"
        world.revoke(request)
        assert not world.is_active(request.enclave_key)
        assert reason(world, lambda: world.revoke(request)).code == "KeyRevoked"


def test_statuses_need_their_advisories_and_their_time(fresh: QuoteWorld) -> None:
    world = fresh
    hardening = CollateralOptions(tcb_status="SWHardeningNeeded", advisories=("INTEL-SA-00615",), evaluation_number=21)
    request = world.request()
    world.register(request)
    assert reason(world, lambda: world.revoke(request)).code == "NothingAgainst"
    world.anvil.advance_to(world.anvil.now() + 60)
    world.publish(hardening)
    error = reason(world, lambda: world.register(world.request()))
    assert isinstance(error, quotes.TcbStatusRefused)
    assert error.fields == {
        "status": TcbStatus.SWHardeningNeeded, "advisories": advisories_digest(["INTEL-SA-00615"]),
    }  # fmt: skip
    world.revoke(request)  # the status is no longer accepted: a fact, whoever shows it
    assert not world.is_active(request.enclave_key)

    channel = world.new_channel("hardening")
    until = datetime.fromtimestamp(world.client.now() + 40 * DAY, UTC).date().isoformat()
    more = f'[[tcb]]\nstatus = "SWHardeningNeeded"\nadvisories = ["INTEL-SA-00615"]\nuntil = {until}\n'
    world.set_policy(world.policy(more, options=hardening), channel)
    accepted = world.request(channel=channel)
    world.register(accepted)
    world.anvil.advance_to(world.anvil.now() + 41 * DAY)
    world.publish(hardening)
    assert reason(world, lambda: world.register(world.request(channel=channel))).code == "TcbStatusRefused"


def test_the_worse_of_platform_and_quoting_enclave_counts(fresh: QuoteWorld) -> None:
    world = fresh
    world.anvil.advance_to(world.anvil.now() + 60)
    world.publish(CollateralOptions(qe_status="OutOfDate", evaluation_number=21))
    error = reason(world, lambda: world.register(world.request()))
    assert isinstance(error, quotes.QeStatusRefused)
    assert error.fields["status"] == TcbStatus.OutOfDate


def test_a_revoked_level_is_nothing_a_policy_can_allow(fresh: QuoteWorld) -> None:
    world = fresh
    world.anvil.advance_to(world.anvil.now() + 60)
    world.publish(CollateralOptions(tcb_status="Revoked", evaluation_number=21))
    assert reason(world, lambda: world.register(world.request())).code == "TcbStatusRefused"


def test_numbers_platforms_ends_and_signers(fresh: QuoteWorld) -> None:
    world = fresh
    cases: list[tuple[str, str, str | None]] = [
        ("number", "minimum_tcb_evaluation_number = 21\n", "EvaluationNumberTooLow"),
        ("same number", "minimum_tcb_evaluation_number = 20\n", None),
        ("no platform", "platforms = []\n", "PlatformUnlisted"),
        ("another platform", f'platforms = ["{SIGNER.hex()}"]\n', "PlatformUnlisted"),
        ("this platform", f'platforms = ["{world.platform.platform_id.hex()}"]\n', None),
        ("production", "production = true\n", "RootNotIntel"),
    ]
    for name, more, code in cases:
        channel = world.new_channel(name)
        world.set_policy(world.policy(more), channel)
        request = world.request(channel=channel)
        if code is None:
            world.register(request)
        else:
            assert reason(world, lambda r=request: world.register(r)).code == code, name  # type: ignore[misc]
    for svn, code in ((3, None), (4, "EnclaveUnwanted")):
        text = f'version = 1\n[[enclave]]\nname = "s"\nmr_signer = "{SIGNER.hex()}"\nproduct = 7\nminimum_svn = {svn}\n'
        policy = channel_policy(parse_policy(text.encode()), roots=[world.root], workloads=[WORKLOAD])
        channel = world.new_channel(f"signer {svn}")
        world.set_policy(policy, channel)
        request = world.request(channel=channel)
        if code is None:
            world.register(request)
        else:
            assert reason(world, lambda r=request: world.register(r)).code == code  # type: ignore[misc]
    channel = world.new_channel("ends")
    end = world.client.now() + 40 * DAY
    world.set_policy(world.policy(until={"program": end}), channel)
    request = world.request(channel=channel)
    world.register(request)
    proven = world.prove(world.request(channel=channel))
    world.anvil.advance_to(end - 20 * DAY)
    world.publish()
    assert reason(world, lambda: world.register(world.request(channel=channel))).code == "ReferenceEnds"
    assert proven.verdict.expires_at < end


def test_another_root_is_another_trust_domain(fresh: QuoteWorld, tmp_path: Path) -> None:
    world = fresh
    other = SimulatedPlatform.create(tmp_path / "other", world.client.now() - DAY)
    root = parse_root(other.root_certificate)
    world.collateral.publish(world.stranger, root, other.collateral(world.client.now()))
    request = world.request(platform=other)
    assert reason(world, lambda: world.register(request)).code == "EnclaveUnwanted"


def test_only_the_quote_that_registered_a_key_speaks_against_it(fresh: QuoteWorld) -> None:
    world = fresh
    first = world.request()
    world.register(first)
    world.anvil.advance_to(world.anvil.now() + 60)
    second = world.request(key=first.enclave_key)
    world.register(second)
    world.publish(CollateralOptions(revoke_pck=True, evaluation_number=21))
    assert reason(world, lambda: world.revoke(first)).code == "EvidenceNotRegistered"
    with pytest.raises(quotes.ReportDataMismatch):
        world.revoke(replace(second, binding=first.binding))
    world.revoke(second)
    assert reason(world, lambda: world.register(world.request(key=first.enclave_key))).code in {
        "KeyRevoked", "CollateralRevoked",
    }  # fmt: skip


def test_a_verdict_counts_once_and_for_its_operator(world: QuoteWorld) -> None:
    proven = world.prove(world.request())
    assert isinstance(reason(world, lambda: world.register_proven(proven, world.stranger)), refusals.NotOperator)
    world.register_proven(proven)
    assert isinstance(reason(world, lambda: world.register_proven(proven)), refusals.VerdictNotNewer)


QUOTES = Path(os.environ.get("WATTEST_TEST_DATA", "/nonexistent")) / "quotes"


@pytest.mark.skipif(not QUOTES.is_dir(), reason="WATTEST_TEST_DATA is not set")
def test_real_quotes_are_judged_by_the_contract_as_the_manifest_says(tmp_path: Path) -> None:
    manifest = {case["name"]: case for case in json.loads((QUOTES / "manifest.json").read_text())}
    genuine = ("phala_sgx_v3_2025-06", "automata_sgx_v3_2025-08", "oasis_sgx_v3_outofdate_2025-08", "trailing_bytes")
    codes = {
        "tampered_debug_bit": "ReportSignatureInvalid",
        "tampered_mrenclave": "ReportSignatureInvalid",
        "tampered_tcb_info": "StatementSignatureInvalid",
        "expired_collateral": "CollateralExpired",
        "phala_tdx_v4_2025-06": None,
    }
    assert set(manifest) == {*genuine, *codes}
    root = intel_root()
    for name, case in sorted(manifest.items()):
        quote = (QUOTES / f"{name}.quote.bin").read_bytes()
        collateral = parse_collateral((QUOTES / f"{name}.collateral.json").read_bytes())
        if name == "phala_tdx_v4_2025-06":
            with pytest.raises(EvidenceNotForChain):
                chain_evidence(parse_evidence(quote), collateral)
            continue
        evidence = chain_evidence(parse_evidence(quote), collateral)
        folder = tmp_path / name
        with Anvil.create(folder, genesis_timestamp_s=case["verify_at"] - 60) as anvil:
            world = build_world(anvil, folder, platform=SimulatedPlatform.create(tmp_path / f"{name}-p", START))

            def judge(world: QuoteWorld = world, collateral: Any = collateral, evidence: Any = evidence) -> Any:
                world.collateral.publish(world.stranger, root, collateral)
                world.verifier.keep_certificate(world.stranger, evidence)
                return world.verifier.examine(evidence)

            if name in codes:
                assert reason(world, judge).code == codes[name], name
                continue
            facts = judge()
            expected = case["expected"]
            assert facts.standing.tcb_status.name == expected["tcb_status"], name
            assert facts.standing.tcb_advisories == advisories_digest(expected["advisories"]), name
            assert facts.measurement.hex() == case["mr_enclave"]
            assert facts.signer.hex() == case["mr_signer"]
            assert (facts.report_data + facts.report_data_rest).hex() == case["report_data"]
            off_chain = appraise(
                parse_evidence(quote),
                parse_endorsements(collateral.to_json()),
                parse_policy(policy_text()),
                [root],
                case["verify_at"],
            )
            assert facts.platform == off_chain.platform_id
            assert off_chain.tcb_status == facts.standing.tcb_status.name
