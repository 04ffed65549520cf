"""The rest of a batch's life in transactions: disputes and payouts, noted in the world by name.

Every catcher is new to the contract, so a reward writes a slot for the first time: the dearer case.
"""

from __future__ import annotations

from dataclasses import replace

from gas_world import ENTRY_BYTES, ETHER, MINUTE_S, ZERO, Entries, GasWorld, Operator, octets

from wattest.chain.referee import CommittedHeader
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.messages.channel import ChannelKind
from wattest.messages.header import sign_header
from wattest.metering.entry import EntryKind, SeriesEntry, StatementEntry
from wattest.sealing.statement_block import citations_root, payout_job_id, payout_result
from wattest.settlement.payout import Payout, PayoutTree
from wattest.twin.batch import BatchState
from wattest.twin.challenge import EvidenceOpening
from wattest.twin.payouts import DistributionTerms, distribution_id
from wattest.units import SECONDS_PER_DAY

READINGS = 96


def disputes(world: GasWorld, size: int) -> None:
    """Challenge, answer, expire, refund and both fraud proofs, on batches of ``size`` entries; noted in the world."""
    referee, watcher = world.contracts.referee, world.account(f"challenger {size}")
    catchers = [world.account(f"catcher {number} of {size}") for number in range(3)]
    channel = world.channel(f"disputes {size}", size)
    honest, silent, forger, forked = (
        world.operator(f"{name} {size}", channel, size) for name in ("honest", "silent", "forger", "forked")
    )
    start = world.client.now() // SECONDS_PER_DAY * SECONDS_PER_DAY + SECONDS_PER_DAY
    period = start, start + SECONDS_PER_DAY
    world.anvil.advance_to(period[1] + MINUTE_S)
    entries = Entries.arbitrary(size, f"disputes {size}")
    opening, forged = _forged_entries(entries, period)
    sealed = {id(honest): entries, id(silent): entries, id(forger): forged, id(forked): entries}
    for operator in (honest, silent, forger, forked):
        world.commit(operator, world.header(operator, period, sealed[id(operator)].tree.root))

    name = f"of {size:,} entries"
    last = size - 1
    for sender, operator, index in (
        (watcher, honest, 0), (watcher, honest, last), (catchers[2], silent, last), (watcher, forger, 0),
    ):  # fmt: skip
        bond = referee.bond_for(channel.id, operator.signer.address, 1)
        receipt = referee.challenge(sender, operator.headers[0], operator.citation(0), index, bond)
        world.note(f"challenge {name}", receipt)
    for index in (0, last):
        world.note(
            f"answer {name}",
            referee.client.deliver(referee.answer_request(honest.signer, honest.headers[0], entries.inclusion(index))),
        )
    proof = referee.prove_invalid_evidence(
        catchers[0], forger.headers[0], forger.citation(0), forged.inclusion(last), opening
    )
    world.note(f"prove invalid evidence {name}", proof)
    world.note(f"refund of a challenge {name}", referee.refund(watcher, forger.citation(0), 0))
    first = forked.headers[0]
    second = replace(first, content_id=octets("another history"))
    pair = [CommittedHeader(header, sign_header(forked.enclave, header, world.domain)) for header in (first, second)]
    world.note(
        f"prove equivocation {name}", referee.prove_equivocation(catchers[1], pair[0], pair[1], forked.citation(0))
    )
    world.anvil.advance_to(world.client.now() + SECONDS_PER_DAY + MINUTE_S)
    world.note(f"expire {name}", referee.expire(catchers[2], silent.citation(0), last))
    for operator in (silent, forger, forked):
        assert referee.state_of(operator.citation(0)) is BatchState.SLASHED
    for receipt in referee.withdraw_owed(catchers[2], catchers[2].address):
        world.note("withdraw what is owed", receipt)


def _forged_entries(entries: Entries, period: tuple[int, int]) -> tuple[EvidenceOpening, Entries]:
    """Entries whose last carries a signature over something else, and what opens its evidence digest."""
    meter = P256PrivateKey.from_seed(octets("meter"))
    opening = EvidenceOpening(octets("the block"), meter.sign_digest(octets("another block")), meter.public_key)
    entry = SeriesEntry(
        EntryKind.SIGNED_DEVICE_BLOCK, octets("blinded"), *period, READINGS, octets("series"), opening.digest
    )
    return opening, Entries(entries.payloads[:-ENTRY_BYTES] + entry.pack(), f"forged {entries.count}")


def payouts(world: GasWorld, metering: Operator, accounts: int) -> None:
    """A statement over the operator's batches: post its root, activate, claim; then release, exit, withdraw."""
    contracts, signer = world.contracts, metering.signer
    channel = world.channel("statements", 0, kind=ChannelKind.OPEN)
    enclave = Secp256k1PrivateKey.from_seed(octets("enclave of the statements"))
    statement = Operator(signer, enclave, channel, accounts + 1, octets("settle"))
    world.register(statement)
    world.note("deposit, first", contracts.referee.deposit(signer, channel.id, 10 * ETHER))
    period = metering.headers[0].period_start, metering.headers[-1].period_end
    listed = sorted(
        (Payout(octets("payee", number, length=20), 1_000 + number) for number in range(accounts)),
        key=lambda payout: payout.address,
    )
    salts = [octets("payout salt", number, length=16) for number in range(accounts)]
    tree = PayoutTree.build(listed, salts)
    carrier = StatementEntry(
        EntryKind.STATEMENT, payout_job_id(channel.id, period[0]), *period, accounts,
        payout_result(tree.root, tree.total), octets("input"),
    )  # fmt: skip
    entries = Entries(Entries.arbitrary(accounts, "bills").payloads + carrier.pack(), "statement")
    inputs = citations_root([header.digest(world.domain) for header in metering.headers])
    header = world.header(statement, period, entries.tree.root, inputs=inputs)
    world.note("commit of a statement, open channel", world.commit(statement, header))

    terms = DistributionTerms(
        signer.address, world.manager.address, contracts.token.address, contracts.referee.address, channel.id,
        signer.address, SECONDS_PER_DAY, (metering.channel.id,), (),
    )  # fmt: skip
    world.note("create a distribution", contracts.payouts.create_distribution(signer, ZERO, terms))
    distribution = distribution_id(signer.address, ZERO)
    cited = [metering.citation(position) for position in range(len(metering.headers))]
    posted = contracts.payouts.post_root(
        signer, distribution, root=tree.root, total=tree.total, header=header, statement=statement.citation(0),
        entry=entries.inclusion(accounts), cited=cited,
    )  # fmt: skip
    world.note(f"post a payout root that cites {len(cited)} batches", posted)
    contracts.token.approve(world.manager, contracts.payouts.address, tree.total)
    world.note("fund a distribution", contracts.payouts.fund(world.manager, distribution, tree.total))
    world.anvil.advance_to(world.client.now() + 8 * SECONDS_PER_DAY)
    world.note(
        f"activate a payout root that cites {len(cited)} batches",
        contracts.payouts.activate_root(signer, distribution, statement.citation(0), cited),
    )
    for index in range(min(4, accounts)):
        paid = contracts.payouts.claim(
            signer, distribution, account=listed[index].address, cumulative_amount=listed[index].cumulative_amount,
            salt=salts[index], leaf_index=index, leaf_count=accounts, path=tree.tree.prove(index).path,
        )  # fmt: skip
        world.note(f"claim, one of {accounts} accounts, its first", paid)
    referee = contracts.referee
    world.note(
        f"release {len(cited)} final batches",
        referee.client.deliver(referee.release_request(signer, cited)),
    )
    world.note("request exit", referee.request_exit(signer, metering.channel.id))
    world.anvil.advance_to(world.client.now() + 22 * SECONDS_PER_DAY)
    world.note("withdraw the deposit", referee.withdraw(signer, metering.channel.id, signer.address))
