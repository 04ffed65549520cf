"""The one suite of job kinds: what a host and the enclave's other parts count on, whatever a job seals.

A maker gives a good job of its kind; the suite plays the very calls that the job makes, whole, cut short and spoilt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from enclave_community import DAY_S, FIRST_DAY, Community, LocalEnclave, secret

from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.client import ChainHead, ImportItem, ImportJob, Job, SealedBatch
from wattest.enclave.measured.errors import HeadMismatch, SessionInvalid
from wattest.enclave.measured.job_kinds import JOB_KINDS
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import InputError, WattestError
from wattest.messages.header import recover_header_signer

COMMUNITY = Community(3, "kinds")
TABLE = b"start,import_kwh,export_kwh\n2024-10-04T00:00:00Z,0.25,0\n2024-10-04T00:15:00Z,0.5,0.125\n"
Call = tuple[str, dict[str, object]]


class RecordedEnclave(LocalEnclave):
    """Keeps the calls that a job makes, to be made again otherwise."""

    def __init__(self, platform: SimulatedPlatform, state_dir: Path) -> None:
        super().__init__(platform, state_dir)
        self.calls: list[Call] = []

    def _ask(self, method: str, params: dict[str, object]) -> Fields:
        self.calls.append((method, dict(params)))
        return super()._ask(method, params)

    def of_job(self) -> list[Call]:
        """The calls of the job alone, without those that made keys or fetched pages."""
        return [call for call in self.calls if call[0].split(".")[0] in {kind.name for kind in JOB_KINDS}]


@dataclass(frozen=True)
class Bench:
    """An enclave with keys for a scheduled and an open channel, and where its state lies."""

    platform: SimulatedPlatform
    folder: Path

    def enclave(self) -> RecordedEnclave:
        """The enclave, or another process of it: the same keys, attested again."""
        made = RecordedEnclave(self.platform, self.folder)
        for channel in (COMMUNITY.channel, COMMUNITY.open_channel):
            made.create_identity(COMMUNITY.binding(channel), channel)
        made.calls.clear()
        return made


JobMaker = Callable[[RecordedEnclave, ChainHead], Job]


def series(_: RecordedEnclave, head: ChainHead) -> Job:
    return COMMUNITY.seal_job(0, head)


def imported(_: RecordedEnclave, head: ChainHead) -> Job:
    items = [
        ImportItem(TABLE, secret("kinds", name), COMMUNITY.readers[0].public_key) for name in ("one table", "another")
    ]
    watchers = (COMMUNITY.watchers[0].public_key,)
    return ImportJob(COMMUNITY.open_channel.id, head, FIRST_DAY, FIRST_DAY + DAY_S, items, watchers)


def statement(enclave: RecordedEnclave, head: ChainHead) -> Job:
    batch = enclave.seal(COMMUNITY.seal_job(0))
    (identity,) = (one for one in enclave.describe().identities if one.channel == COMMUNITY.channel.id)
    enclave.calls.clear()
    return COMMUNITY.statement_job([batch], identity, head)


JOB_MAKERS: dict[str, JobMaker] = {"seal": series, "import": imported, "statement": statement}


def gives_a_batch_under_its_own_key(maker: JobMaker, bench: Bench) -> None:
    enclave = bench.enclave()
    batch = enclave.seal(maker(enclave, ChainHead()))
    (own,) = (one for one in enclave.describe().identities if one.channel == batch.header.channel)
    assert recover_header_signer(batch.header, batch.signature, COMMUNITY.domain) == own.address
    assert batch.header.sequence == 1
    assert len(batch.entries) == len(batch.blocks) == batch.header.entry_count


def gives_the_same_batch_again(maker: JobMaker, bench: Bench) -> None:
    enclave = bench.enclave()
    job = maker(enclave, ChainHead())
    first = enclave.seal(job)
    for other in (enclave, bench.enclave()):
        again = other.seal(job)
        assert (again.header, again.signature, again.entries) == (first.header, first.signature, first.entries)


def follows_the_chain_s_head(maker: JobMaker, bench: Bench) -> None:
    enclave = bench.enclave()
    with pytest.raises(HeadMismatch):
        enclave.seal(maker(enclave, ChainHead(1, b"\x07" * 32)))


def begins_before_it_goes_on(maker: JobMaker, bench: Bench) -> None:
    calls = recorded(maker, bench)
    for method, params in [*calls[1:], ("batch.finish", {}), ("batch.page", {"start": 0, "count": 1})]:
        with pytest.raises(SessionInvalid):
            bench.enclave().service.call(method, given(params))


def takes_no_step_of_another_kind(maker: JobMaker, bench: Bench) -> None:
    (begin, params), *_ = recorded(maker, bench)
    for kind in JOB_KINDS:
        if kind.name != begin.split(".")[0]:
            enclave = bench.enclave()
            enclave.service.call(begin, given(params))
            for step in kind.steps:
                with pytest.raises(SessionInvalid):
                    enclave.service.call(f"{kind.name}.{step}", {})


def ends_with_its_first_spoilt_step(maker: JobMaker, bench: Bench) -> None:
    calls = recorded(maker, bench)
    for at, (method, params) in enumerate(calls):
        for spoilt in spoilings(params):
            enclave = bench.enclave()
            for before, good in calls[:at]:
                enclave.service.call(before, given(good))
            with pytest.raises(InputError):
                enclave.service.call(method, given(spoilt))
            with pytest.raises(SessionInvalid):
                enclave.service.call("batch.finish", {})


def releases_nothing_after_a_refusal(maker: JobMaker, bench: Bench) -> None:
    enclave = bench.enclave()
    job = maker(enclave, ChainHead())
    (begin, params), *_ = recorded(maker, bench)
    before = enclave.last_release(channel_of(params))
    with pytest.raises(WattestError):
        enclave.service.call(begin, given({**params, "unasked": 1}))
    assert enclave.last_release(channel_of(params)) == before
    assert enclave.seal(job).header.sequence == 1


JOB_KIND_SUITE = (
    gives_a_batch_under_its_own_key,
    gives_the_same_batch_again,
    follows_the_chain_s_head,
    begins_before_it_goes_on,
    takes_no_step_of_another_kind,
    ends_with_its_first_spoilt_step,
    releases_nothing_after_a_refusal,
)


def recorded(maker: JobMaker, bench: Bench) -> list[Call]:
    """The calls of one good job."""
    enclave = bench.enclave()
    sealed: SealedBatch = enclave.seal(maker(enclave, ChainHead()))
    calls = enclave.of_job()
    assert sealed.header.sequence == 1
    assert calls[0][0].endswith(".begin")
    return calls


def spoilings(params: dict[str, object]) -> Iterator[dict[str, object]]:
    """A field too many; and each field absent, null where it has a value, of another kind."""
    yield {**params, "unasked": 1}
    for name, value in params.items():
        yield {key: kept for key, kept in params.items() if key != name}
        yield {**params, name: "text" if not isinstance(value, str) else 1}
        yield {**params, name: {}}


def channel_of(params: dict[str, object]) -> bytes:
    channel = params["channel"]
    assert isinstance(channel, bytes)
    return channel


def given(params: dict[str, object]) -> dict[str, object]:
    """The parameters as they come off the socket."""
    from wattest.enclave.measured import cbor

    parsed = cbor.parse(cbor.encode(params))
    assert isinstance(parsed, dict)
    return parsed
