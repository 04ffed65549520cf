"""Every registered meter format passes the one conformance suite, and the registry is what recognition goes by."""

from __future__ import annotations

from decimal import Decimal

import pytest
from meter_format_conformance import CHECKS, Case, Sample
from meter_samples import SAMPLES, values_file

from wattest.metering.billing_rules import NotImportable
from wattest.metering.readers.formats import FORMATS
from wattest.metering.readers.meter_format import Claim, Unsigned
from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.readers.recognise import AmbiguousFormat, UnknownFormat, format_name, read_meter_file, recognise
from wattest.metering.readers.signed_values import MalformedValues, UnreadFormat
from wattest.metering.readers.table import TableOptions
from wattest.metering.reading import ImportedFile, MalformedMeterFile, Reading
from wattest.metering.records import make_device_records
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict

TELEGRAM, RECORD = SAMPLES["dsmr"][0].data, SAMPLES["ocmf"][0].data


def test_every_format_has_samples() -> None:
    assert {known.name for known in FORMATS} == SAMPLES.keys()
    assert len(CHECKS) > 10


def foreign(name: str) -> list[Sample]:
    """The samples of all other formats."""
    return [sample for other, samples in SAMPLES.items() if other != name for sample in samples]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", SAMPLES)
def test_conformance(name: str, check: str) -> None:
    (known,) = (known for known in FORMATS if known.name == name)
    CHECKS[check](Case(known, SAMPLES[name], FORMATS, foreign(name)))


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        *(("EDL_40_P", "edl40"), ("EDL_40_SIG", "edl40"), ("EDL_40_MENNEKES", "edl40"), ("ISA_EDL_40_P", "edl40")),
        *(("EDL40", "edl40"), ("alfen", "alfen"), ("PCDF", "pcdf"), ("NEWER", "unknown"), ("", "unknown")),
    ],
)
def test_a_container_is_called_what_is_in_it(declared: str, name: str) -> None:
    file = values_file(b"1b1b1b1b01010101", declared, "hex")
    assert format_name(file) == name
    with pytest.raises(UnknownFormat if name == "unknown" else UnreadFormat):
        read_meter_file(file)
    assert format_name(values_file(RECORD, declared)) == "ocmf"  # the content counts, not what it is declared as


def test_no_value_of_a_container_is_dropped() -> None:
    whole = values_file(RECORD)
    other = b"<value><signedData format='EDL_40_P' encoding='hex'>0901</signedData></value></values>"
    assert len(read_meter_file(whole).telegrams) == 1
    with pytest.raises(MalformedValues, match=r"value 2 is no plain, hex or base64 OCMF .*EDL_40_P"):
        read_meter_file(whole.replace(b"</values>", other))
    with pytest.raises(MalformedValues, match="value 2"):
        read_meter_file(whole.replace(b"</values>", b"<value><signedData/></value></values>"))
    doubled = whole.replace(b"</values>", whole[whole.index(b"<value ") :])
    assert len(read_meter_file(doubled).telegrams) == 2


def test_what_stands_before_the_first_record_is_said() -> None:
    assert read_meter_file(b"\xef\xbb\xbf \n\xef\xbb\xbf" + RECORD).exit_code == 0
    spoilt = read_meter_file(b"x" + RECORD + b"\n" + RECORD)
    assert spoilt.exit_code == 3
    assert f"{len(RECORD) + 1} bytes before the first record are no OCMF" in spoilt.reasons


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (TELEGRAM, "dsmr"),
        (RECORD, "ocmf"),
        (b"a;b\n1;2\n", "csv"),
        (b"a;\x01b\n1;2\n", "unknown"),
        (b'{"a":1,"b":2}\n', "unknown"),
        (b"<values>\nOCMF|{}|{}\n</values>", "ocmf"),
        (b"<values><signedData></values>\nOCMF|{}|{}\n", "unknown"),
        (b"a;b\n/TST5\n1-0:1.8.0(1*kWh)\n", "dsmr"),
        (RECORD + b"\n" + TELEGRAM, "unknown"),
    ],
)
def test_the_surest_claim_counts_and_two_alike_for_none(data: bytes, name: str) -> None:
    assert format_name(data) == name
    assert format_name(data, list(reversed(FORMATS))) == name


def test_a_file_of_two_formats_is_refused_by_name() -> None:
    with pytest.raises(AmbiguousFormat, match="ocmf or dsmr"):
        read_meter_file(RECORD + b"\n" + TELEGRAM)


def test_utf_16_is_named() -> None:
    with pytest.raises(UnknownFormat, match="UTF-16"):
        recognise("start;import\n".encode("utf-16"))


class Toy:
    """A format of one line that does one thing wrong, as a test says."""

    def __init__(self, fault: str = "", name: str = "toy") -> None:
        self.fault, self.name, self.opened = fault, name, 0

    def claim(self, data: bytes) -> Claim:
        if self.fault == "greedy" or (self.fault == "encoded" and data.startswith(b"t\0o\0y\0")):
            return Claim.MARK
        return Claim.MARK if data.startswith(b"toy ") else Claim.NONE

    def parse(self, data: bytes, key: MeterPublicKey | None, table: TableOptions) -> Unsigned:
        self.opened += 1
        if self.fault == "raises" and b"\xff" in data:
            raise ValueError("a byte that nobody expected")
        if self.fault == "slow":
            for _ in range(len(data) ** 2 // 100):
                data.find(b"x")
        fields = data.split()
        if self.fault not in ("encoded", "generous") and (len(fields) != 3 or not data.endswith(b".\n")):
            raise MalformedMeterFile("a toy has a start and an energy, and ends with a point")
        energy = int(fields[2].rstrip(b".")) if fields[2:] and fields[2].rstrip(b".").isdigit() else 0
        if self.fault == "shifting":
            energy += self.opened
        records = make_device_records(
            bytes(16), start=[1_780_272_000], duration_s=900, import_register=energy % 2**32, export_register=0,
            import_milliwatt_hours=energy % 2**32, export_milliwatt_hours=0,
        )  # fmt: skip
        reading = Reading("1-0:1.29.0", Decimal(energy), "mWh", None)
        return Unsigned(
            ImportedFile(
                self.name,
                SignatureVerdict.VALID if self.fault == "generous" else SignatureVerdict.ABSENT,
                CrcVerdict.NONE,
                () if self.fault == "silent" else ("a toy is not signed",),
                () if self.fault == "empty" else (reading,),
                data,
                records=None if self.fault == "recordless" else records,
            )
        )


TOY = [Sample(b"toy 0 250.\n")]


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("greedy", "claims_nothing_of_others"),
        ("greedy", "empty"),
        ("raises", "garbage"),
        ("slow", "work_grows_with_the_file"),
        ("shifting", "reading_is_deterministic"),
        ("silent", "its_samples"),
        ("empty", "its_samples"),
        ("recordless", "its_samples"),
        ("encoded", "wrong_encodings"),
        ("generous", "its_samples"),
        ("generous", "truncated_at_every_length"),
    ],
)
def test_a_check_finds_what_it_looks_for(fault: str, check: str) -> None:
    toy = Toy(fault)
    with pytest.raises((AssertionError, ValueError, NotImportable, pytest.fail.Exception)):
        CHECKS[check](Case(toy, TOY, (*FORMATS, toy), foreign("toy")))
    sound = Toy()
    if check != "its_samples":  # a toy takes no other ending
        CHECKS[check](Case(sound, TOY, (*FORMATS, sound), foreign("toy")))


def test_a_name_is_short_and_one_formats_own() -> None:
    for name in ("Toy", "unknown", "dsmr", "a toy", ""):
        with pytest.raises(AssertionError):
            CHECKS["its_name"](Case(Toy(name=name), TOY, (*FORMATS, Toy(name=name))))
    toy = Toy()
    CHECKS["its_name"](Case(toy, TOY, (*FORMATS, toy)))
