"""What holds of every report of a meter file, whatever is in it; without a test framework, for fuzzing, too."""

from __future__ import annotations

import json

from wattest.metering.billing_rules import BillingRule, NotImportable
from wattest.metering.imported import imported_series
from wattest.metering.reading import ImportedFile
from wattest.metering.verdicts import SignatureVerdict


def verify_report(result: ImportedFile) -> None:
    """Reasons always, billable only without an objection, and an importer that refuses by an objection's rule."""
    assert result.reasons
    assert all(reason.strip() for reason in result.reasons)
    assert json.loads(json.dumps(result.as_dict("x")))["billable"] is result.billable
    assert result.billable == (not result.objections)
    if result.billable:
        assert (result.signature, result.exit_code) == (SignatureVerdict.VALID, 0)
        assert len(result.readings) > 0
        assert result.telegrams
        assert result.public_key
    forbidding = {objection.rule for objection in result.objections if objection.rule.forbids_series}
    refused = refusal(result)
    if refused is None:
        assert not forbidding
    else:
        assert refused in forbidding, "the importer refuses what the reader does not object to"
        assert not result.billable


def refusal(result: ImportedFile) -> BillingRule | None:
    """The rule by which the importer refuses a file; None if it makes its one series."""
    try:
        (_,) = imported_series(result)
    except NotImportable as refused:
        return refused.rule
    return None
