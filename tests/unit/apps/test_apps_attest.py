"""``wattest attest verify``: verdict, words and exit code for everything a user can pass."""

import json
import runpy

import pytest

from wattest.apps.cli import run
from wattest.attestation.ear import parse_ear
from wattest.attestation.ear_token import open_ear
from wattest.attestation.roots import development_root, parse_root
from wattest.crypto.p256 import P256PrivateKey
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW = 1_790_000_000
DAY = 86_400
MEASUREMENT = bytes([1] * 32)


@pytest.fixture
def files(tmp_path):
    platform = SimulatedPlatform.create(tmp_path / "platform", NOW)
    published = SimulatedPlatform.create(tmp_path / "published", NOW, published_root=True)
    for name, each in (("own", platform), ("published", published)):
        quote = each.quote(measurement=MEASUREMENT, signer=bytes(32), product=0, svn=0, report_data=bytes(64))
        (tmp_path / f"{name}.quote").write_bytes(quote)
        (tmp_path / f"{name}.json").write_bytes(each.collateral(NOW).to_json())
    policy = f'version = 1\n[[enclave]]\nname = "ours"\nmr_enclave = "{MEASUREMENT.hex()}"\n'
    (tmp_path / "policy.toml").write_text(policy)
    (tmp_path / "production.toml").write_text("production = true\n" + policy)
    (tmp_path / "junk").write_bytes(b"junk")
    return tmp_path


def verify(files, name, *more, at=NOW + DAY):
    quote, collateral = str(files / f"{name}.quote"), str(files / f"{name}.json")
    return run(["attest", "verify", quote, "--collateral", collateral, "--at", str(at), *more])


def test_accepted_under_its_root_file(files, capsys):
    more = ("--root", str(files / "platform" / "root.pem"), "--policy", str(files / "policy.toml"))
    assert verify(files, "own", *more) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("ACCEPTED")
    assert "for development only" in shown
    assert verify(files, "own", *more, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    wanted = {"genuine", "tcb_status", "advisories", "accepted", "reasons", "measurement"}
    assert wanted <= result.keys()
    assert (result["genuine"], result["accepted"], result["tcb_status"]) == (True, True, "UpToDate")


def test_the_root_is_shown_by_fingerprint(files, capsys):
    own = parse_root((files / "platform" / "root.pem").read_bytes())
    named = ("--root", str(files / "platform" / "root.pem"), "--policy", str(files / "policy.toml"))
    assert verify(files, "own", *named) == 0
    shown = capsys.readouterr().out
    assert f"under root:  {own.shown}\n" in shown
    assert own.fingerprint.hex()[:16] in own.shown
    assert verify(files, "own", *named, "--json") == 0
    assert json.loads(capsys.readouterr().out)["root_fingerprint"] == own.fingerprint.hex()
    assert verify(files, "own", "--root", "simulator", "--json") == 4
    refused = json.loads(capsys.readouterr().out)
    assert refused["root_fingerprint"] is None
    (finding,) = (each for each in refused["findings"] if each["code"] == "other_root")
    assert (finding["expected"], finding["actual"]) == (development_root().fingerprint.hex(), own.fingerprint.hex())


def test_accepted_under_the_published_root(files, capsys):
    assert verify(files, "published", "--root", "simulator", "--policy", str(files / "policy.toml"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["root"] == "simulator"


@pytest.mark.parametrize(
    ("name", "more", "code", "genuine"),
    [
        ("own", (), "other_root", False),
        ("own", ("--root", "intel"), "other_root", False),
        ("own", ("--root", "simulator"), "other_root", False),
        ("published", ("--root", "simulator"), "no_reference_value", True),
        ("published", ("--root", "simulator", "--policy", "production.toml"), "root_refused", True),
    ],
)
def test_not_accepted(files, capsys, monkeypatch, name, more, code, genuine):
    monkeypatch.chdir(files)
    assert verify(files, name, *more, "--json") == 4
    result = json.loads(capsys.readouterr().out)
    assert (result["genuine"], result["accepted"], result["codes"][0]) == (genuine, False, code)
    assert verify(files, name, *more) == 4
    shown = capsys.readouterr().out
    assert shown.startswith("NOT ACCEPTED")
    assert "what to do" in shown


@pytest.mark.parametrize(
    "change",
    [
        {"quote": "missing"},
        {"quote": "junk"},
        {"quote": "platform"},
        {"quote": "own.json"},
        {"collateral": "missing"},
        {"collateral": "junk"},
        {"collateral": "own.quote"},
        {"root": "missing"},
        {"root": "junk"},
        {"root": "own.quote"},
        {"policy": "missing"},
        {"policy": "junk"},
    ],
)
def test_input_that_cannot_be_read(files, capsys, monkeypatch, change):
    monkeypatch.chdir(files)
    named = {"quote": "own.quote", "collateral": "own.json", "root": "intel", "policy": "policy.toml"} | change
    arguments = ["attest", "verify", named["quote"], "--at", str(NOW)]
    for option in ("collateral", "root", "policy"):
        arguments += [f"--{option}", named[option]]
    assert run(arguments) == 3
    caught = capsys.readouterr()
    assert caught.out == ""
    assert "error:" in caught.err
    assert "what to do" in caught.err
    assert run([*arguments, "--json"]) == 3
    caught = capsys.readouterr()
    result = json.loads(caught.out)
    assert (result["genuine"], result["accepted"], result["measurement"]) == (False, False, None)
    assert json.loads(caught.err)["error"] == result["codes"][0]


def test_truncated_and_tampered_quotes(files, capsys):
    whole = (files / "own.quote").read_bytes()
    more = ("--root", str(files / "platform" / "root.pem"), "--policy", str(files / "policy.toml"), "--json")
    (files / "own.quote").write_bytes(whole[:-700])
    assert verify(files, "own", *more) == 3
    capsys.readouterr()
    (files / "own.quote").write_bytes(whole[:112] + bytes([whole[112] ^ 1]) + whole[113:])
    assert verify(files, "own", *more) == 4
    assert json.loads(capsys.readouterr().out)["codes"][0] == "report_signature"
    (files / "own.quote").write_bytes(whole + b"tail")
    assert verify(files, "own", *more) == 0
    assert "4 trailing bytes" in capsys.readouterr().out


@pytest.mark.parametrize("at", ["-1", "yesterday", str(10**15)])
def test_a_time_that_is_none_is_a_usage_error(files, at):
    assert verify(files, "own", at=at) == 2


def test_the_time_and_the_collateral_must_be_given(files):
    assert run(["attest", "verify", str(files / "own.quote"), "--at", "1"]) == 2
    assert run(["attest", "verify", str(files / "own.quote"), "--collateral", str(files / "own.json")]) == 2


def test_the_example_is_what_its_script_makes(repository):
    script = runpy.run_path(str(repository / "tools" / "make_attestation_example.py"))
    for name, content in script["files"]().items():
        assert (repository / "examples" / "attestation" / name).read_bytes() == content


def test_the_result_as_ear_and_as_token(files, capsys):
    (files / "key").write_text("07".zfill(64) + "\n")
    (files / "key").chmod(0o600)
    own = ("--root", str(files / "platform" / "root.pem"), "--policy", str(files / "policy.toml"), "--ear")
    assert verify(files, "own", *own) == 0
    plain = parse_ear(capsys.readouterr().out.removesuffix("\n").encode())
    assert (plain.accepted, plain.status, plain.vector["hardware"]) == (True, "contraindicated", 97)
    assert verify(files, "own", *own, "--sign-key", str(files / "key")) == 0
    shown = capsys.readouterr()
    public_key = bytes.fromhex(shown.err.split()[-1])
    assert public_key == P256PrivateKey.from_seed(bytes(31) + b"\x07").public_key
    assert open_ear(shown.out.strip().encode(), public_key) == plain
    assert verify(files, "own", "--ear") == 4
    refused = parse_ear(capsys.readouterr().out.removesuffix("\n").encode())
    assert (refused.accepted, refused.codes[0]) == (False, "other_root")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--ear", "--json"), 2),
        (("--sign-key", "key"), 2),
        (("--ear", "--sign-key", "nowhere"), 7),
        (("--ear", "--sign-key", "open"), 7),
        (("--ear", "--sign-key", "zero"), 3),
    ],
)
def test_a_result_that_cannot_be_signed_is_not_printed(files, capsys, monkeypatch, more, code):
    monkeypatch.chdir(files)
    for name, digits, mode in (("key", "07", 0o600), ("open", "07", 0o644), ("zero", "00", 0o600)):
        (files / name).write_text(digits.zfill(64))
        (files / name).chmod(mode)
    assert verify(files, "own", *more) == code
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW + DAY, "collateral:  usable for 6 d 0 h more (TCB info ends first)"),
        (NOW + 6 * DAY, "warning:     the collateral can be used for 1 d 0 h more"),
        (NOW + 9 * DAY, "collateral:  NOT USABLE: TCB info ended 2 d 0 h ago"),
        (NOW - 90, "collateral:  NOT USABLE: issued 90 s after this time"),
    ],
)
def test_how_long_collateral_can_be_used_is_said(files, capsys, at, said):
    more = ("--root", str(files / "platform" / "root.pem"), "--policy", str(files / "policy.toml"))
    verify(files, "own", *more, at=at)
    assert said in capsys.readouterr().out


def test_what_the_quote_must_bind_and_what_was_seen(files, capsys):
    good = ("--root", str(files / "platform" / "root.pem"), "--policy", str(files / "policy.toml"), "--json")
    assert verify(files, "own", *good, "--report-data", "00" * 64, "--seen-evaluation-number", "20") == 0
    assert json.loads(capsys.readouterr().out)["collateral"]["usable_until"] == NOW + 7 * DAY
    for more, reason in (
        (("--report-data", "11" * 64), "report_data"),
        (("--seen-evaluation-number", "21"), "evaluation_went_back"),
    ):
        assert verify(files, "own", *good, *more) == 4
        assert json.loads(capsys.readouterr().out)["codes"] == [reason]
    assert verify(files, "own", *good, "--report-data", "11" * 63) == 2
