"""XML containers of OCMF records, as drivers get them to check in transparency software.

Decided here: how records and the key beside them are taken out. Not decided here: trust. A key inside the file vouches
for nothing: whoever forges the readings forges the key with them. It is used to say whether the file agrees with
itself; ``valid`` needs a key that came another way.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from xml.etree import ElementTree as XmlTree

from wattest.metering.readers.ocmf import MalformedOcmf, OpenedOcmf
from wattest.metering.readers.public_key import MalformedPublicKey, MeterPublicKey, parse_public_key
from wattest.metering.reading import ImportedFile
from wattest.metering.verdicts import SignatureVerdict, worst_signature

MAX_CONTAINER_RECORDS = 10_000
_START = re.compile(rb"\s*<(?:\?xml|[A-Za-z])")


def is_container(data: bytes) -> bool:
    """Whether ``data`` is XML that holds a signedData element."""
    return _START.match(data) is not None and b"signedData" in data


def read_container(data: bytes, key: MeterPublicKey | None) -> ImportedFile:
    """Read the records of an XML container and judge them under ``key``.

    Without ``key`` the verdict is ``unchecked``, or ``invalid`` when not even the file's own key fits. Raises
    ``MalformedOcmf``.
    """
    opened, own_keys = open_container(data)
    return _self_consistent(opened, own_keys) if key is None else opened.report(opened.judge(key))


def open_container(data: bytes) -> tuple[OpenedOcmf, set[str]]:
    """The records of an XML container, opened, and the texts of the keys beside them; raises ``MalformedOcmf``."""
    if re.search(rb"<!(?!--|\[CDATA\[)", data):
        raise MalformedOcmf("the container declares a document type or entity", hint="no meter file needs one")
    try:
        root = XmlTree.fromstring(data)  # noqa: S314 - no declarations, bounded size
    except (XmlTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise MalformedOcmf(f"the container is not XML: {error}", hint="it may be truncated") from error
    records: list[bytes] = []
    own_keys: set[str] = set()
    for element in root.iter():
        name = str(element.tag).rpartition("}")[2]
        text = (element.text or "").strip()
        if name == "signedData" and text:
            records.append(_decoded(text, element.get("encoding", "")))
        elif name == "publicKey" and text:
            own_keys.add(text)
    if not records or len(records) > MAX_CONTAINER_RECORDS:
        raise MalformedOcmf("the container holds 1 to 10,000 records", actual=len(records))
    return OpenedOcmf.of(b"\n".join(records), data), own_keys


def _self_consistent(opened: OpenedOcmf, own_keys: set[str]) -> ImportedFile:
    remark = "the container holds no single public key of its own"
    if len(own_keys) == 1:
        try:
            judged = opened.judge(parse_public_key(next(iter(own_keys))))
        except MalformedPublicKey as error:
            remark = f"the container's own key cannot be read: {error.message}"
        else:
            if worst_signature(verdict.signature for verdict in judged) is SignatureVerdict.INVALID:
                return opened.report(judged)
            remark = "the signature fits the key inside the file, which proves nothing about the meter"
    unchecked = opened.report(opened.judge(None))
    return replace(unchecked, reasons=(*unchecked.reasons, remark))


def _decoded(text: str, encoding: str) -> bytes:
    if text.startswith("OCMF|"):
        return text.encode("utf-8")
    body = re.sub(r"\s", "", text)
    try:
        data = bytes.fromhex(body) if encoding == "hex" else base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedOcmf("a signedData element is neither plain, hex nor base64 OCMF") from error
    return data.strip()
