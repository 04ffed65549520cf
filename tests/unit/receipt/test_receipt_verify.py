"""Receipts over a period that the real enclave program sealed: what holds, and every way in which it must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from receipt_world import NOW, POSTED, FakeChain, World

from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.messages.header import sign_header
from wattest.receipt.build import PieceMissing, build_receipt
from wattest.receipt.chain_view import RegistrationView
from wattest.receipt.deployment import Deployment
from wattest.receipt.link import Link, LinkStatus
from wattest.receipt.receipt import Receipt, RegistrationPart, parse_receipt
from wattest.receipt.verify import ChainMismatch, exit_code, verify_receipt
from wattest.twin.batch import BatchState

NAMES = [
    "deployment",
    "meter signature",
    "records",
    "series",
    "batch",
    "header signature",
    "enclave verdict",
    "registration",
    "commitment",
    "finality",
    "statement",
    "bill arithmetic",
    "payout",
    "payout root",
]
OF_CHAIN = {"registration", "commitment", "finality", "payout root"}


def failed(links: list[Link]) -> set[str]:
    return {link.name for link in links if link.status is LinkStatus.FAILED}


def flipped(data: bytes, at: int = -1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def first_flipped(path: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return (flipped(path[0]), *path[1:])


def test_everything_holds(paid: Receipt, billed: Receipt, deployment: Deployment, chain: FakeChain) -> None:
    for receipt in (paid, billed):
        links = verify_receipt(receipt, deployment, chain)
        assert [link.name for link in links] == NAMES
        assert not [link for link in links if link.status is not LinkStatus.OK]
        assert all(link.reason for link in links)
        assert exit_code(links) == 0


def test_every_household_has_a_receipt(
    world: World, parts: list[RegistrationPart], deployment: Deployment, chain: FakeChain
) -> None:
    for member in range(world.community.count):
        assert exit_code(verify_receipt(world.receipt(member, parts), deployment, chain)) == 0


def test_without_a_chain_only_its_links_are_unchecked(paid: Receipt, billed: Receipt, deployment: Deployment) -> None:
    links = verify_receipt(paid, deployment, None)
    assert {link.name for link in links if link.status is LinkStatus.UNCHECKED} == OF_CHAIN
    assert exit_code(links) == 8
    links = verify_receipt(billed, deployment, None)
    assert {link.name for link in links if link.status is LinkStatus.UNCHECKED} == OF_CHAIN - {"payout root"}


def test_what_is_owed_decides_whether_there_is_a_payout(paid: Receipt, billed: Receipt) -> None:
    assert paid.payout is not None
    assert billed.payout is None


Change = Callable[[Receipt], Receipt]


def day(position: int, **changes: Any) -> Change:
    def change(receipt: Receipt) -> Receipt:
        days = list(receipt.days)
        days[position] = replace(days[position], **changes)
        return replace(receipt, days=tuple(days))

    return change


def day_bytes(position: int, field: str, at: int = -1) -> Change:
    return lambda receipt: day(position, **{field: flipped(getattr(receipt.days[position], field), at)})(receipt)


def header_field(position: int, field: str) -> Change:
    def change(receipt: Receipt) -> Receipt:
        header = receipt.days[position].header
        old = getattr(header, field)
        new = flipped(old) if isinstance(old, bytes) else old + 1
        return day(position, header=replace(header, **{field: new}))(receipt)

    return change


def statement_bytes(field: str, at: int = -1) -> Change:
    return lambda receipt: replace(
        receipt, statement=replace(receipt.statement, **{field: flipped(getattr(receipt.statement, field), at)})
    )


def payout(**changes: Any) -> Change:
    def change(receipt: Receipt) -> Receipt:
        assert receipt.payout is not None
        made = {name: new(getattr(receipt.payout, name)) if callable(new) else new for name, new in changes.items()}
        return replace(receipt, payout=replace(receipt.payout, **made))

    return change


def registration(field: str, new: Callable[[Any], Any]) -> Change:
    def change(receipt: Receipt) -> Receipt:
        first, *rest = receipt.registrations
        return replace(receipt, registrations=(replace(first, **{field: new(getattr(first, field))}), *rest))

    return change


RECORD = 2 + 118 + 24 + 4  # where a block's first record begins, after a previous state
CHANGES: dict[str, tuple[Change, str]] = {
    "chain id": (lambda r: replace(r, chain_id=1), "deployment"),
    "referee": (lambda r: replace(r, referee=flipped(r.referee)), "deployment"),
    "meter key": (lambda r: replace(r, meter_key=flipped(r.meter_key)), "series"),
    "public key": (lambda r: replace(r, public_key=flipped(r.public_key)), "meter signature"),
    "meter signature": (day_bytes(0, "block"), "meter signature"),
    "a reading": (day_bytes(0, "block", RECORD + 60), "meter signature"),
    "a quality flag of the editing": (day_bytes(1, "block", RECORD + 61), "records"),
    "a source digest": (day_bytes(1, "block", RECORD + 70), "series"),
    "state before the first day": (day_bytes(0, "block", 2 + 118 + 23), "records"),
    "state before a later day": (day_bytes(1, "block", 2 + 118 + 7), "records"),
    "a first block's digest": (
        lambda r: replace(r, first_blocks=(flipped(r.first_blocks[0]), *r.first_blocks[1:])),
        "records",
    ),
    "a first block missing": (lambda r: replace(r, first_blocks=r.first_blocks[:-1]), "records"),
    "series key": (day_bytes(2, "series_key"), "series"),
    "entry": (day_bytes(2, "block", 2 + 60), "series"),
    "index": (lambda r: day(1, index=(r.days[1].index + 1) % 5)(r), "batch"),
    "path": (lambda r: day(1, path=first_flipped(r.days[1].path))(r), "batch"),
    "short path": (lambda r: day(1, path=r.days[1].path[:-1])(r), "batch"),
    "roster path": (lambda r: day(1, roster_path=first_flipped(r.days[1].roster_path))(r), "batch"),
    "a day left out": (lambda r: replace(r, days=(r.days[0], r.days[2])), "batch"),
    "the last day left out": (lambda r: replace(r, days=r.days[:2]), "statement"),
    "the first day left out": (lambda r: replace(r, days=r.days[1:]), "statement"),
    "days swapped": (lambda r: replace(r, days=(r.days[1], r.days[0], r.days[2])), "batch"),
    "a day twice": (lambda r: replace(r, days=(r.days[0], *r.days)), "batch"),
    "header signature": (day_bytes(0, "signature", 5), "header signature"),
    "statement signature": (statement_bytes("signature", 5), "header signature"),
    "statement block": (statement_bytes("block"), "statement"),
    "bill": (statement_bytes("block", 2 + 118 + 4 + 4 + 340), "bill arithmetic"),
    "statement series key": (statement_bytes("series_key"), "statement"),
    "tariff": (statement_bytes("tariff"), "bill arithmetic"),
    "quote": (registration("quote", flipped), "enclave verdict"),
    "quote with a byte behind it": (registration("quote", lambda q: q + b"\x00"), "enclave verdict"),
    "collateral": (registration("collateral", lambda c: c.replace("2", "3", 1)), "enclave verdict"),
    "collateral respelt": (registration("collateral", lambda c: c + " "), "enclave verdict"),
    "policy": (registration("policy", lambda p: p + "\n"), "enclave verdict"),
    "measurement": (
        registration("verdict", lambda v: replace(v, measurement=flipped(v.measurement))),
        "enclave verdict",
    ),
    "verdict of another channel": (
        registration("verdict", lambda v: replace(v, channel=flipped(v.channel))),
        "header signature",
    ),
    "one signature too few": (registration("signatures", lambda s: s[:1]), "enclave verdict"),
    "signatures in another order": (registration("signatures", lambda s: s[::-1]), "enclave verdict"),
    "no registration": (lambda r: replace(r, registrations=()), "header signature"),
    "registration twice": (
        lambda r: replace(r, registrations=(r.registrations[0], *r.registrations)),
        "header signature",
    ),
    "registrations swapped": (lambda r: replace(r, registrations=r.registrations[::-1]), "header signature"),
    "payout hidden": (lambda r: replace(r, payout=None), "payout"),
    "payout amount": (payout(amount=lambda n: n + 1), "payout"),
    "payout account": (payout(account=flipped), "payout"),
    "payout root": (payout(root=flipped), "payout"),
    "payout total": (payout(total=lambda n: n + 1), "payout"),
    "payout entry": (payout(entry=flipped), "payout"),
    "payout entry's salt": (payout(entry_salt=flipped), "payout"),
    "payout leaf salt": (payout(leaf_salt=flipped), "payout"),
    "payout index": (payout(index=lambda n: n + 1), "payout"),
    "payout leaf index": (payout(leaf_index=lambda n: n + 1), "payout"),
    **{f"header {name}": (header_field(1, name), "header signature") for name in (
        "channel", "operator", "sequence", "previous", "period_start", "period_end", "root", "entry_count", "roster",
        "inputs", "state", "workload", "content_id", "witnesses", "zk_root",
    )},
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_receipt_fails_at_its_link(
    name: str, paid: Receipt, deployment: Deployment, chain: FakeChain
) -> None:
    change, link = CHANGES[name]
    changed = change(paid)
    assert changed.to_bytes() != paid.to_bytes()
    for view in (chain, None):
        links = verify_receipt(changed, deployment, view)
        assert link in failed(links), [(one.name, one.status, one.reason) for one in links]
        assert exit_code(links) == 4


def test_a_payout_that_nothing_owes_is_refused(paid: Receipt, billed: Receipt, deployment: Deployment) -> None:
    assert failed(verify_receipt(replace(billed, payout=paid.payout), deployment, None)) == {"payout"}


def test_another_households_day_is_refused(paid: Receipt, billed: Receipt, deployment: Deployment) -> None:
    mixed = replace(paid, days=(paid.days[0], billed.days[1], paid.days[2]))
    assert {"series", "records", "statement"} <= failed(verify_receipt(mixed, deployment, None))
    mixed = replace(paid, statement=billed.statement, payout=None)
    assert {"statement", "bill arithmetic"} <= failed(verify_receipt(mixed, deployment, None))


def test_an_enclave_key_without_a_verdict_is_refused(paid: Receipt, deployment: Deployment) -> None:
    key = Secp256k1PrivateKey.from_seed(b"\x42" * 32)
    signature = sign_header(key, paid.days[0].header, deployment.referee_domain)
    assert failed(verify_receipt(day(0, signature=signature)(paid), deployment, None)) == {"header signature"}


@pytest.mark.parametrize(
    ("change", "link"),
    [
        ({"appraisers": (b"\x01" * 20, b"\x02" * 20)}, "enclave verdict"),
        ({"threshold": 3, "appraisers": ()}, None),
        ({"registry": b"\x11" * 20}, "enclave verdict"),
        ({"referee": b"\x11" * 20}, "deployment"),
        ({"chain_id": 1}, "deployment"),
        ({"channels": ()}, "batch"),
        ({"distributions": ()}, "statement"),
    ],
)
def test_another_deployment_does_not_vouch(
    change: dict[str, Any], link: str | None, paid: Receipt, deployment: Deployment
) -> None:
    if link is None:
        with pytest.raises(Exception, match="threshold"):
            replace(deployment, **change)
        return
    assert link in failed(verify_receipt(paid, replace(deployment, **change), None))


def test_another_trust_root_does_not_vouch(paid: Receipt, deployment: Deployment) -> None:
    from wattest.attestation.roots import intel_root

    changed = replace(deployment, trust_roots=(intel_root().certificate,))
    assert failed(verify_receipt(paid, changed, None)) == {"enclave verdict"}


def test_expired_since_is_still_verifiable(paid: Receipt, deployment: Deployment, chain: FakeChain) -> None:
    """No check reads a clock: what counts is the time of the blocks, here years before the present."""
    assert exit_code(verify_receipt(paid, deployment, chain)) == 0
    late = [
        replace(view, registered_at=NOW + 3650 * 86_400)
        for part in paid.registrations
        for view in chain.registrations(part.verdict.enclave_key)
    ]
    links = verify_receipt(paid, deployment, replace(chain, registered=late))
    assert {"enclave verdict", "registration"} <= failed(links)


@pytest.mark.parametrize("position", [0, 1, 3])
def test_what_the_chain_says_counts(position: int, paid: Receipt, deployment: Deployment, chain: FakeChain) -> None:
    slashed = chain.with_state(position, state=BatchState.SLASHED)
    assert failed(verify_receipt(paid, deployment, slashed)) == {"commitment", "finality"}
    other = chain.with_state(position, header_digest=b"\x01" * 32)
    assert failed(verify_receipt(paid, deployment, other)) == {"commitment"}
    early = chain.with_state(position, state=BatchState.COMMITTED)
    assert failed(verify_receipt(paid, deployment, early)) == {"finality"}
    before = chain.with_state(position, committed_at=NOW + 59)
    assert failed(verify_receipt(paid, deployment, before)) == {"registration"}
    after = chain.with_state(position, committed_at=NOW + 30 * 86_400)
    assert failed(verify_receipt(paid, deployment, after)) == {"registration"}


def test_nothing_on_chain(paid: Receipt, deployment: Deployment, chain: FakeChain) -> None:
    empty = replace(chain, headers=[], registered=[], root=None)
    assert failed(verify_receipt(paid, deployment, empty)) == OF_CHAIN


def test_a_revoked_key_counts_only_before(paid: Receipt, deployment: Deployment, chain: FakeChain) -> None:
    def revoked(at: int) -> list[RegistrationView]:
        return [
            replace(view, revoked_at=at)
            for part in paid.registrations
            for view in chain.registrations(part.verdict.enclave_key)
        ]

    assert failed(verify_receipt(paid, deployment, replace(chain, registered=revoked(NOW + 100)))) == {"registration"}
    assert exit_code(verify_receipt(paid, deployment, replace(chain, registered=revoked(NOW + 10**6)))) == 0


def test_payout_roots(paid: Receipt, billed: Receipt, deployment: Deployment, chain: FakeChain) -> None:
    disabled = replace(chain, root=replace(POSTED, activated_at=None, disabled_at=NOW))
    assert failed(verify_receipt(paid, deployment, disabled)) == {"payout root"}
    waiting = replace(chain, root=replace(POSTED, activated_at=None))
    assert exit_code(verify_receipt(paid, deployment, waiting)) == 0
    assert exit_code(verify_receipt(billed, deployment, replace(chain, root=None))) == 0


def test_a_wrong_chain_is_named_at_once(paid: Receipt, deployment: Deployment, chain: FakeChain) -> None:
    with pytest.raises(ChainMismatch):
        verify_receipt(paid, deployment, replace(chain, id=1))
    with pytest.raises(ChainMismatch):
        verify_receipt(paid, replace(deployment, genesis_hash=b"\x01" * 32), replace(chain, deployment=deployment))


def test_building_names_what_is_missing(world: World, parts: list[RegistrationPart], deployment: Deployment) -> None:
    with pytest.raises(PieceMissing, match="registration"):
        world.receipt(1, parts[:1])
    with pytest.raises(PieceMissing, match="one day"):
        build_receipt(deployment.referee_domain, b"", b"", [], None, [], None)  # type: ignore[arg-type]


def test_secrets_are_not_shown(paid: Receipt) -> None:
    shown = repr(paid)
    assert paid.meter_key.hex() not in shown
    assert repr(paid.meter_key) not in shown
    assert repr(paid.days[0].series_key) not in shown


def test_one_encoding(paid: Receipt, billed: Receipt) -> None:
    for receipt in (paid, billed):
        data = receipt.to_bytes()
        assert parse_receipt(data) == receipt
        assert parse_receipt(data).to_bytes() == data
        assert not data.endswith(b"\n")
