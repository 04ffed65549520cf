"""TCB info and QE identity with one field malformed, signed by the vendor's key all the same, and near sound forms.

dcap-qvl reads less strictly than the vendor's schema: where it takes a malformed field the case is genuine, and
appraisal refuses it nevertheless. Which of the two holds is written beside each, never computed. ``BAD``: dcap-qvl does
not read it either; ``LAX``: dcap-qvl takes it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from evidence_world import (
    ACCEPTED,
    NOW,
    SGX,
    TDX,
    Expected,
    Fault,
    forged,
    iso,
    own,
    refused,
    signed_again,
    with_collateral,
)

from wattest.attestation.formats.collateral import Collateral
from wattest.enclave.simulator.collateral import QE_MR_SIGNER
from wattest.enclave.simulator.pki import FMSPC, sign_raw

BAD, LAX, UNKNOWN = forged("collateral_malformed"), refused("collateral_malformed"), forged("unknown_tcb_status")
OTHER_MODEL, OTHER_KIND = forged("fmspc_mismatch", "collateral_malformed"), forged("collateral_of_other_kind")
NO_MODULE = forged("tdx_module", "collateral_malformed")
ISSUED, UNTIL, LEVEL_DATE = iso(NOW), iso(NOW + 30 * 86_400), "2026-01-01T00:00:00Z"
WORDS = {"tcb_info": "TCB info", "qe_identity": "QE identity"}
TDX_4 = TDX[:1]
GONE = object()
Place = tuple[str | int, ...]
# A name for what stands in the place of a field, the value, and what must come of it.
Forms = list[tuple[str, object, Expected]]

_NO_TEXT: Forms = [("absent", GONE, BAD), ("null", None, BAD), ("a number", 7, BAD), ("a list", [], BAD)]
_NO_NUMBER: Forms = [
    *(("absent", GONE, BAD), ("null", None, BAD), ("a text", "7", BAD), ("true", True, BAD), ("a list", [], BAD)),
    *(("negative", -1, BAD), ("a fraction", 1.5, BAD)),
]


def faults() -> Iterator[Fault]:
    """All of them."""
    for part in WORDS:
        yield from _heads(part)
        yield from _levels(part, ("tcbLevels",), SGX)
        yield from _texts(part)
    yield from _tcb_info()
    yield from _components()
    yield from _qe_identity()
    yield from _modules()


def _heads(part: str) -> Iterator[Fault]:
    """What TCB info and QE identity have in common."""
    yield from _replaced(
        part, ("id",), [*_NO_TEXT, ("in another case", {"tcb_info": "sgx", "qe_identity": "qe"}[part], OTHER_KIND)]
    )
    yield from _replaced(part, ("version",), [*_NO_NUMBER, ("too large", 2**32, BAD)])
    yield from _replaced(part, ("tcbEvaluationDataNumber",), [*_NO_NUMBER, ("too large", 2**32, BAD)])
    yield from _replaced(part, ("issueDate",), [*_NO_TEXT, *_dates(ISSUED, BAD, LAX)])
    yield from _replaced(part, ("nextUpdate",), [*_NO_TEXT, *_dates(UNTIL, BAD, LAX)])
    yield _case(
        part,
        "nextUpdate at issueDate",
        "nextUpdate",
        # Both a moment before the appraisal would be an expiry; so both lie at it.
        _edited(part, lambda value: value.update(issueDate=iso(NOW + 86_400), nextUpdate=iso(NOW + 86_400))),
        LAX,
    )


def _dates(sound: str, bad: Expected, lax: Expected) -> Forms:
    """Other spellings of a date; dcap-qvl reads RFC 3339, where it reads one at all."""
    return [
        ("empty", "", bad),
        ("without a time zone", sound[:-1], bad),
        ("a day alone", sound[:10], bad),
        ("no day of the calendar", f"{sound[:5]}02-30{sound[10:]}", bad),
        ("in the 25th hour", f"{sound[:11]}24:00:00Z", bad),
        ("with an offset", f"{sound[:-1]}+00:00", lax),
        ("with a blank", sound.replace("T", " "), lax),
        ("with fractions of a second", f"{sound[:-1]}.000Z", lax),
        ("in lower case", sound.lower(), lax),
    ]


def _levels(part: str, place: Place, kinds: tuple[str, ...], *, tcb_date: Expected = LAX) -> Iterator[Fault]:
    """A list of levels, whoever they are of; ``tcb_date`` is what comes of a date that is none."""
    first: Place = (*place, 0)
    empty = {"tcb_info": forged("no_tcb_level", "collateral_malformed"), "qe_identity": BAD}[part]
    yield from _replaced(
        part,
        place,
        [
            *(("absent", GONE, BAD), ("null", None, BAD), ("an object", {}, BAD), ("a text", "x", BAD)),
            ("a list of null", [None], dataclasses.replace(BAD, field=f"{_shown(place)}[0]")),
            ("empty", [], empty if len(place) == 1 else NO_MODULE),
        ],
        kinds,
    )
    yield from _replaced(
        part,
        (*first, "tcb"),
        [("absent", GONE, BAD), ("null", None, BAD), ("a list", [], BAD), ("a text", "x", BAD)],
        kinds,
    )
    yield from _replaced(part, (*first, "tcbDate"), [*_NO_TEXT, *_dates(LEVEL_DATE, tcb_date, LAX)], kinds)
    yield from _replaced(
        part,
        (*first, "tcbStatus"),
        [
            *_NO_TEXT,
            *(("empty", "", UNKNOWN), ("in another case", "uptodate", UNKNOWN), ("with a blank", "UpToDate ", UNKNOWN)),
        ],
        kinds,
    )
    advisories: Place = (*first, "advisoryIDs")
    yield from _replaced(
        part,
        advisories,
        [
            *(("null", None, BAD), ("a text", "INTEL-SA-1", BAD), ("an object", {}, BAD)),
            ("a list of numbers", [1], dataclasses.replace(BAD, field=f"{_shown(advisories)}[0]")),
            ("a list of an empty text", [""], dataclasses.replace(LAX, field=f"{_shown(advisories)}[0]")),
            ("a list of no id", ["a", "an id"], dataclasses.replace(LAX, field=f"{_shown(advisories)}[1]")),
            ("a list of a long text", ["a" * 65], dataclasses.replace(LAX, field=f"{_shown(advisories)}[0]")),
            *(("an empty list", [], ACCEPTED), ("a list of one", ["INTEL-SA-1"], ACCEPTED)),
        ],
        kinds,
    )


def _texts(part: str) -> Iterator[Fault]:
    """What is wrong with the text that was signed, not with a field."""
    key = {"tcb_info": '"tcbType":0', "qe_identity": '"isvprodid":1'}[part]
    name = key.split(":")[0]
    for title, field, edit, expected in (
        ("with a key twice", name, lambda text: text.replace(key, f"{key},{key}"), BAD),
        ("with a level's key twice", '"tcbStatus"', _twice('"tcbStatus":"UpToDate"'), BAD),
        ("with an unknown key twice", '"more"', lambda text: text[:-1] + ',"more":1,"more":1}', LAX),
        ("with more after its end", "not JSON", lambda text: text + "{}", BAD),
        ("with a number that JSON has not", "NaN", lambda text: text[:-1] + ',"more":NaN}', BAD),
        ("nested a hundred deep", "nested", lambda text: text[:-1] + ',"more":' + "[" * 99 + "]" * 99 + "}", LAX),
        ("with an unknown key", None, lambda text: text[:-1] + ',"more":{"x":[1,null,"y"]}}', ACCEPTED),
        ("with blanks", None, lambda text: json.dumps(json.loads(text), indent=1), ACCEPTED),
    ):
        yield _case(part, title, field, _spelled(part, edit), expected)


def _twice(pair: str) -> Callable[[str], str]:
    return lambda text: text.replace(pair, f"{pair},{pair}", 1)


def _tcb_info() -> Iterator[Fault]:
    model = FMSPC.hex().upper()
    yield from _replaced(
        "tcb_info",
        ("fmspc",),
        [
            *_NO_TEXT,
            *(
                ("empty", "", OTHER_MODEL),
                ("a byte short", model[:-2], OTHER_MODEL),
                ("a byte long", model + "00", OTHER_MODEL),
            ),
            *(
                ("a digit short", model[:-1], BAD),
                ("no hex", model[:-1] + "g", BAD),
                ("with a prefix", "0x" + model, BAD),
            ),
            *(("in lower case", model.lower(), ACCEPTED), ("in both cases", model[:-3].lower() + model[-3:], ACCEPTED)),
        ],
    )
    yield from _replaced(
        "tcb_info",
        ("pceId",),
        [
            *_NO_TEXT,
            *(
                ("empty", "", LAX),
                ("a digit short", "000", LAX),
                ("a byte short", "00", LAX),
                ("a byte long", "000000", LAX),
            ),
            *(("no hex", "000g", LAX), ("with a prefix", "0x0000", LAX), ("with a blank", "000 ", LAX)),
        ],
    )
    yield from _replaced("tcb_info", ("tcbType",), [*_NO_NUMBER, ("unknown", 1, LAX)])
    yield from _replaced("tcb_info", ("tdxModule",), [("null, of SGX", None, LAX), ("an object, of SGX", _MODULE, LAX)])
    yield from _replaced("tcb_info", ("tdxModuleIdentities",), [("an empty list, of SGX", [], LAX)])
    # dcap-qvl sorts the levels of a platform, and takes those of a quoting enclave as they come.
    for title, levels, expected in (
        (
            "with a lower level first",
            lambda own: [_lower(own), own],
            LAX,
        ),
        ("with a level twice", lambda own: [own, own], LAX),
        ("with a higher level last", lambda own: [own, _higher(own)], LAX),
        ("with a lower level last", lambda own: [own, _lower(own)], ACCEPTED),
        ("with levels of which none is lower", lambda own: [_mixed(own), own], ACCEPTED),
    ):
        field = None if expected is ACCEPTED else "tcbLevels[1].tcb"
        yield _case("tcb_info", title, field, _edited("tcb_info", _ordered(levels)), expected)


_MODULE = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}


def _ordered(levels: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> Callable[[dict[str, Any]], object]:
    return lambda value: value.update(tcbLevels=levels(value["tcbLevels"][0]))


def _level_of(own_level: dict[str, Any], components: list[int], pce_svn: int, status: str) -> dict[str, Any]:
    tcb = {"sgxtcbcomponents": [{"svn": svn} for svn in components], "pcesvn": pce_svn}
    return own_level | {"tcb": tcb, "tcbStatus": status}


def _lower(own_level: dict[str, Any]) -> dict[str, Any]:
    return _level_of(own_level, [0] * 16, 0, "OutOfDate")


def _higher(own_level: dict[str, Any]) -> dict[str, Any]:
    return _level_of(own_level, [6] * 16, 12, "UpToDate")


def _mixed(own_level: dict[str, Any]) -> dict[str, Any]:
    return _level_of(own_level, [6, *[0] * 15], 0, "OutOfDate")


def _components() -> Iterator[Fault]:
    tcb: Place = ("tcbLevels", 0, "tcb")
    yield from _replaced("tcb_info", (*tcb, "pcesvn"), [*_NO_NUMBER, ("too large", 65_536, BAD)])
    yield from _replaced(
        "tcb_info",
        (*tcb, "tdxtcbcomponents"),
        [("an empty list, of SGX", [], LAX), ("sixteen, of SGX", [{"svn": 0}] * 16, LAX)],
    )
    for name, kinds in (("sgxtcbcomponents", SGX), ("tdxtcbcomponents", TDX_4)):
        place: Place = (*tcb, name)
        counts: Forms = [(f"{count} of them", [{"svn": 0}] * count, BAD) for count in (0, 15, 17)]
        yield from _replaced(
            "tcb_info", place, [("absent", GONE, BAD), ("null", None, BAD), ("an object", {}, BAD), *counts], kinds
        )
        yield from _replaced("tcb_info", (*place, 0), [("null", None, BAD), ("a number", 5, BAD)], kinds)
        yield from _replaced("tcb_info", (*place, 0, "svn"), [*_NO_NUMBER, ("too large", 256, BAD)], kinds)
        yield from _replaced(
            "tcb_info",
            (*place, 15, "category"),
            [("null", None, LAX), ("a number", 7, LAX), ("a text", "BIOS", ACCEPTED)],
            kinds,
        )
        yield from _replaced(
            "tcb_info", (*place, 15, "type"), [("a list", [], LAX), ("a text", "Early", ACCEPTED)], kinds
        )


def _qe_identity() -> Iterator[Fault]:
    for name, sound in (
        ("miscselect", "00000000"),
        ("miscselectMask", "FFFFFFFF"),
        ("attributes", "11000000000000000000000000000000"),
        ("attributesMask", "FBFFFFFFFFFFFFFF0000000000000000"),
        ("mrsigner", QE_MR_SIGNER.hex().upper()),
    ):
        yield from _replaced("qe_identity", (name,), [*_NO_TEXT, *_hex(sound, BAD)])
    yield from _replaced("qe_identity", ("isvprodid",), [*_NO_NUMBER, ("too large", 65_536, BAD)])
    yield from _replaced("qe_identity", ("tcbLevels", 0, "tcb", "isvsvn"), [*_NO_NUMBER, ("too large", 65_536, BAD)])
    worse = refused("collateral_malformed", "tcb_status", "tcb_status", status="OutOfDate")
    for title, levels, expected in (
        ("with a lower level first", lambda own: [_isv(own, 0, "OutOfDate"), own], worse),
        ("with a level twice", lambda own: [own, own], LAX),
        ("with a higher level last", lambda own: [own, _isv(own, 9, "UpToDate")], LAX),
        ("with a lower level last", lambda own: [own, _isv(own, 0, "OutOfDate")], ACCEPTED),
    ):
        field = None if expected is ACCEPTED else "tcbLevels[1].tcb"
        yield _case("qe_identity", title, field, _edited("qe_identity", _ordered(levels)), expected)


def _isv(own_level: dict[str, Any], svn: int, status: str) -> dict[str, Any]:
    return own_level | {"tcb": {"isvsvn": svn}, "tcbStatus": status}


def _hex(sound: str, wrong: Expected) -> Forms:
    return [
        *(
            ("a digit short", sound[:-1], wrong),
            ("a byte short", sound[:-2], wrong),
            ("a byte long", sound + "00", wrong),
        ),
        *(("no hex", sound[:-1] + "g", wrong), ("in lower case", sound.lower(), ACCEPTED)),
    ]


def _modules() -> Iterator[Fault]:
    part, listed = "tcb_info", "tdxModuleIdentities"
    yield from _replaced(
        part, ("tdxModule",), [("absent", GONE, NO_MODULE), ("null", None, NO_MODULE), ("a list", [], BAD)], TDX_4
    )
    yield from _replaced(
        part,
        (listed,),
        [
            *(("absent", GONE, forged("tdx_module")), ("null", None, BAD), ("an object", {}, BAD)),
            ("a list of null", [None], dataclasses.replace(BAD, field=f"{listed}[0]")),
            ("empty", [], NO_MODULE),
        ],
        TDX_4,
    )
    for place in (("tdxModule",), (listed, 0)):
        for name, sound in _MODULE.items():
            yield from _replaced(part, (*place, name), [*_NO_TEXT, *_hex(sound, BAD)], TDX_4)
    yield from _replaced(
        part,
        (listed, 0, "id"),
        [
            *_NO_TEXT,
            *(("empty", "", NO_MODULE), ("a digit short", "TDX_1", NO_MODULE), ("no hex", "TDX_0G", NO_MODULE)),
            *(("in lower case", "tdx_01", LAX), ("another", "TDX_02", forged("tdx_module"))),
        ],
        TDX_4,
    )
    yield from _levels(part, (listed, 0, "tcbLevels"), TDX_4, tcb_date=BAD)
    yield from _replaced(
        part, (listed, 0, "tcbLevels", 0, "tcb", "isvsvn"), [*_NO_NUMBER, ("too large", 256, BAD)], TDX_4
    )
    yield _case(
        part,
        "with a module twice",
        f"{listed}[1].id",
        _edited(part, lambda value: value[listed].append(value[listed][0])),
        LAX,
        TDX_4,
    )


def _replaced(part: str, place: Place, forms: Forms, kinds: tuple[str, ...] = SGX) -> Iterator[Fault]:
    """One field in each of several forms."""
    shown = _shown(place)
    for name, value, expected in forms:
        at_fault = {"collateral_malformed", "unknown_tcb_status"} & set(expected.codes)
        yield _case(
            part, f"{shown} {name}", shown if at_fault else None, _edited(part, _put(place, value)), expected, kinds
        )


def _case(
    part: str,
    title: str,
    field: str | None,
    edit: Callable[[Any], Any],
    expected: Expected,
    kinds: tuple[str, ...] = SGX,
) -> Fault:
    named = expected if expected.field or field is None else dataclasses.replace(expected, field=field)
    return Fault(f"{WORDS[part]} {title}", f"in the {WORDS[part]}, as signed: {title}", edit, named, kinds)


def _shown(place: Place) -> str:
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place).lstrip(".")


def _put(place: Place, value: object) -> Callable[[dict[str, Any]], object]:
    def edit(whole: Any) -> None:
        for each in place[:-1]:
            whole = whole[each]
        if value is GONE:
            del whole[place[-1]]
        else:
            whole[place[-1]] = value

    return edit


def _edited(part: str, edit: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    return signed_again(part, edit)


def _spelled(part: str, edit: Callable[[str], str]) -> Callable[[Any], Any]:
    """The text itself edited, and signed as it then stands."""

    def change(collateral: Collateral) -> Collateral:
        text = edit(getattr(collateral, part))
        signature = sign_raw(own().pki.tcb_signing_key, text.encode())
        return dataclasses.replace(collateral, **{part: text, f"{part}_signature": signature})

    return with_collateral(change)
