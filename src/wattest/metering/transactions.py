"""OCMF readings become spans, in columns: which register counts, what was shown when, and which moments pair up.

Decided here: the rules of docs/spec/meter-files.md, "Records that follow", for OCMF. Not decided here: how a reading is
read (``readers.ocmf_payload``), what a record of a span looks like (``points``), or what makes no series
(``billing_rules``). Invariants: no Python object lives per reading; of several faults the first is named, in the order
of the file's moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wattest.metering.billing_rules import (
    BillingRule,
    NotImportable,
    register_outside,
    registers_differ,
    series_period,
    several_meters,
    time_unusable,
)
from wattest.metering.points import Places, PointColumns, SpanColumns, chain, span_records
from wattest.metering.readers.ocmf_payload import BEGIN, ENDS, direction
from wattest.metering.readers.ocmf_rows import NO_TIME, OcmfColumns
from wattest.metering.records import DEVICE_QUALITY_MASK, PSEUDONYM_BYTES, Records

_MICROSECONDS = 1_000_000
_HAS_NONE, _IS_BEGIN, _IS_END, _IS_OTHER = range(4)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Readings of one record with one time and transaction code, in the order in which they first come.

    ``reading`` names the first reading of each; ``imported`` and ``exported`` the last that shows the chosen register
    of a direction, -1 where none does. ``of`` has the moment of every reading.
    """

    of: Places = field(repr=False)
    reading: Places = field(repr=False)
    imported: Places = field(repr=False)
    exported: Places = field(repr=False)
    quality: NDArray[np.uint16] = field(repr=False)

    @property
    def shown(self) -> Mask:
        """Where a moment shows a register, and so is a point."""
        mask: Mask = (self.imported >= 0) | (self.exported >= 0)
        return mask


def ocmf_records(columns: OcmfColumns) -> tuple[Records, Places]:
    """Device records, their pseudonym left empty, and for each the number of the telegram that its end comes from.

    This is what a reader asks to know whether a file can be billed, and an importer to make the series. Raises
    ``NotImportable``.
    """
    if columns.several_meters:
        raise several_meters().refusal()
    if columns.time_us.shape[0] == 0:
        raise NotImportable(BillingRule.NO_REGISTER, "the file holds no register of total active energy")
    records, sources = span_records(*ocmf_spans(columns), bytes(PSEUDONYM_BYTES))
    series_period(records)
    return records, sources


def ocmf_spans(columns: OcmfColumns) -> tuple[PointColumns, SpanColumns]:
    """One span for each begin and end; what has no partner is a snapshot; readings without a code are chained.

    Raises ``NotImportable`` for a register of the chosen ones that no u64 holds, a point without a usable time, or a
    moment that shows another register.
    """
    imports, exports = _chosen(columns, "import"), _chosen(columns, "export")
    moments = _moments(columns, imports, exports)
    seconds = columns.time_us[moments.reading] // _MICROSECONDS
    _verify_points(columns, moments, imports | exports, seconds)
    imported, exported = (
        np.where(place < 0, np.uint64(0), columns.milliwatt_hours[place])
        for place in (moments.imported, moments.exported)
    )
    registers = (moments.imported >= 0) + 2 * (moments.exported >= 0)
    telegram = columns.telegram[moments.reading]
    points = PointColumns(seconds, imported, exported, registers, moments.quality, telegram)
    kind = np.asarray([_kind(code) for code in columns.codes])[columns.transaction[moments.reading]]
    is_begin, is_end = kind == _IS_BEGIN, kind == _IS_END
    shown = moments.shown
    _verify_registers(columns, moments, (imports, exports), kind)
    _verify_ends(is_begin, is_end, shown, telegram)
    is_fiscal = (kind == _HAS_NONE) & shown
    spans = _pairs(is_begin, is_end, ~(is_begin | is_end | is_fiscal), shown, moments.quality)
    fiscal = np.flatnonzero(is_fiscal)
    return points, spans.then(chain(fiscal)) if fiscal.shape[0] else spans


def without_partner(columns: OcmfColumns) -> tuple[int, int]:
    """How many begins have no end before the next begin, and how many ends are not the first after a begin."""
    moments = _moments(columns, _chosen(columns, "import"), _chosen(columns, "export"))
    kind = np.asarray([_kind(code) for code in columns.codes])[columns.transaction[moments.reading]]
    is_begin, is_end = kind == _IS_BEGIN, kind == _IS_END
    run = np.cumsum(is_begin)  # 0 before the first begin
    ended = np.unique(run[is_end & (run > 0)]).shape[0]
    return int(is_begin.sum()) - ended, int(is_end.sum()) - ended


def _kind(code: str | None) -> int:
    if code is None:
        return _HAS_NONE
    return _IS_BEGIN if code == BEGIN else _IS_END if code in ENDS else _IS_OTHER


def _chosen(columns: OcmfColumns, way: str) -> Mask:
    """Where the first register of a direction that shows energy is shown; a record never mixes two registers."""
    counts = np.asarray([direction(name) == way for name in columns.names])
    candidates: Mask = columns.is_energy & counts[columns.register]
    first = int(np.argmax(candidates))
    if candidates[first]:
        candidates &= columns.register == columns.register[first]
    return candidates


def _moments(columns: OcmfColumns, imports: Mask, exports: Mask) -> _Moments:
    """A record may list one register after the other (begin, end, begin, end): equal moments need not be neighbours."""
    count = columns.time_us.shape[0]
    keys = (columns.transaction, columns.time_us, columns.telegram)
    order = np.lexsort(keys)  # stable: inside a moment readings keep their order
    fresh = np.zeros(count, dtype=np.bool_)
    fresh[0] = True
    for key in keys:
        ordered = key[order]
        fresh[1:] |= ordered[1:] != ordered[:-1]
    heads = np.flatnonzero(fresh)
    first = order[heads]
    sequence = np.argsort(first)
    of = np.empty(count, dtype=np.int64)
    of[order] = np.argsort(sequence)[np.cumsum(fresh) - 1]
    last = [np.maximum.reduceat(np.where(mask[order], order, -1), heads)[sequence] for mask in (imports, exports)]
    quality = np.bitwise_or.reduceat(columns.quality[order], heads)[sequence]
    return _Moments(of, first[sequence], last[0], last[1], quality)


def _verify_points(columns: OcmfColumns, moments: _Moments, counted: Mask, seconds: Places) -> None:
    """Refuse the first moment that shows a register outside 64 bits or, if it shows one, has no usable time."""
    untimed = np.flatnonzero(moments.shown & (seconds < 0))[:1]  # NO_TIME is far below zero
    beyond = np.asarray([place for place in columns.beyond if counted[place]], dtype=np.int64)
    if beyond.shape[0]:
        place = int(beyond[np.lexsort((beyond, moments.of[beyond]))[0]])
        if not untimed.shape[0] or moments.of[place] <= untimed[0]:  # a moment's registers come before its time
            raise register_outside(columns.beyond[place], int(columns.telegram[place]) + 1)
    if untimed.shape[0]:
        moment = int(untimed[0])
        known = columns.time_us[moments.reading[moment]] != NO_TIME
        record = int(columns.telegram[moments.reading[moment]]) + 1
        raise time_unusable(int(seconds[moment]) if known else None, record)


def _verify_registers(columns: OcmfColumns, moments: _Moments, chosen: tuple[Mask, Mask], kind: Places) -> None:
    """Refuse the first begin, end or fiscal moment that shows energy, but not in the direction's chosen register.

    Likewise one that shows two values in it.
    """
    foreign, twofold = (np.zeros(kind.shape[0], dtype=np.bool_) for _ in range(2))
    for way, counted, place in zip(("import", "export"), chosen, (moments.imported, moments.exported), strict=True):
        named = [direction(name) == way for name in columns.names]
        if not any(named):  # as most meters: nothing of this direction can be shown
            continue
        shows = np.zeros(kind.shape[0], dtype=np.bool_)
        counts = np.asarray(named)
        shows[moments.of[columns.is_energy & counts[columns.register]]] = True
        foreign |= shows & (place < 0)
        moment = moments.of[counted]
        other = columns.milliwatt_hours[counted] != columns.milliwatt_hours[place[moment]]
        twofold[moment[other]] = True
    wrong = (foreign | twofold) & (kind != _IS_OTHER)
    if not bool(wrong.any()):
        return
    at = int(np.argmax(wrong))
    record = int(columns.telegram[moments.reading[at]]) + 1
    if foreign[at]:
        raise registers_differ("a reading shows another register of energy than those before it", record)
    raise registers_differ("a register shows two values at one time", record)


def _verify_ends(is_begin: Mask, is_end: Mask, shown: Mask, telegram: Places) -> None:
    """Refuse the first end whose transaction shows a register at one end only."""
    if bool(shown.all()):
        return  # at both ends of each
    run = np.cumsum(is_begin)  # 0 before the first begin
    runs = int(run[-1]) + 1
    begin_shows, end_shows = np.zeros(runs, dtype=np.bool_), np.zeros(runs, dtype=np.bool_)
    begin_shows[1:] = shown[is_begin]
    end_shows[run[is_end & shown]] = True
    wrong = is_end & (run > 0) & (begin_shows[run] != end_shows[run])
    if bool(wrong.any()):
        at = int(np.argmax(wrong))
        which = "end" if begin_shows[run[at]] else "begin"
        raise registers_differ(f"the transaction's {which} shows no register of energy", int(telegram[at]) + 1)


def _pairs(is_begin: Mask, is_end: Mask, is_other: Mask, shown: Mask, quality: NDArray[np.uint16]) -> SpanColumns:
    """Each begin with the first end that comes before the next begin; later ends and begins without one are snapshots.

    A span carries what went wrong at moments of other kinds since its begin.
    """
    count = is_begin.shape[0]
    run = np.cumsum(is_begin)  # 0 before the first begin
    begins = np.flatnonzero(is_begin)
    begun_by = np.concatenate(([-1], np.where(shown[begins], begins, -1)))
    next_begin = np.append(begins, count)  # where a run ends, and an open begin is given up
    ends = np.flatnonzero(is_end & shown)
    is_first = np.ones(ends.shape[0], dtype=np.bool_)
    is_first[1:] = run[ends[1:]] != run[ends[:-1]]
    closing = np.where(is_first, begun_by[run[ends]], -1)
    is_closed = np.zeros(begins.shape[0] + 1, dtype=np.bool_)
    is_closed[run[ends]] = True
    open_begins = begins[shown[begins] & ~is_closed[1:]]
    given_up = next_begin[run[open_begins]]
    since = _since_begin(is_begin, np.where(is_other, quality, np.uint16(0)))
    begin = np.concatenate((closing, np.full(open_begins.shape[0], -1)))
    end = np.concatenate((ends, open_begins))
    at = np.concatenate((ends, given_up))
    order = np.argsort(at, kind="stable")
    return SpanColumns(begin[order], end[order], since[at[order]])


def _since_begin(is_begin: Mask, quality: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """For each place, and the one behind the last, the flags seen before it since the begin before it."""
    count = is_begin.shape[0]
    found = np.zeros(count + 1, dtype=np.uint16)
    present = int(np.bitwise_or.reduce(quality)) & DEVICE_QUALITY_MASK
    if not present:
        return found
    start = np.zeros(count + 1, dtype=np.int64)
    start[1:] = np.maximum.accumulate(np.where(is_begin, np.arange(count), 0))
    for bit in (1 << place for place in range(8) if present & (1 << place)):
        seen = np.zeros(count + 1, dtype=np.int64)
        np.cumsum((quality & bit) != 0, out=seen[1:])
        found |= np.where(seen > seen[start], np.uint16(bit), np.uint16(0))
    return found
