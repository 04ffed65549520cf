"""A trustworthiness vector in words: what each value of each claim says (draft-ietf-rats-ar4si-10, section 2.3.4).

Decided here: the words. Which values are given, and their tiers, is ``trust_vector``'s.
"""

from __future__ import annotations

from wattest.attestation.trust_vector import (
    AFFIRMED,
    AFFIRMED_AT_BOOT,
    CONFIGURATION,
    EXECUTABLES,
    FORGED,
    HARDWARE,
    INSTANCE,
    MALFUNCTION,
    NO_CLAIM,
    REFUSED,
    RUNTIME,
    UNKNOWN,
    UNRECOGNISED_CODE,
    VULNERABLE,
    tier_of,
)

CLAIM_WORDS = {
    INSTANCE: "which instance it is",
    CONFIGURATION: "how it is configured",
    EXECUTABLES: "what code it runs",
    "file-system": "what files it holds",
    HARDWARE: "what hardware it runs on",
    RUNTIME: "who can see into it",
    "storage-opaque": "who can read what it stores",
    "sourced-data": "where its data comes from",
}
_ANY = {
    NO_CLAIM: "nothing is said of {0}",
    1: "the evidence has parts that the verifier does not know, about {0}",
    MALFUNCTION: "the verifier failed while it judged {0}",
    FORGED: "a signature, key or chain does not hold, so nothing is known of {0}",
}
# Where AR4SI gives a claim's value a meaning that a quote can lead to.
_VALUES = {
    (INSTANCE, AFFIRMED): "a recognised instance, not known to be compromised",
    (INSTANCE, REFUSED): "a recognised instance, known to be compromised",
    (INSTANCE, UNKNOWN): "not an instance that the verifier recognises",
    (CONFIGURATION, AFFIRMED): "a known and approved configuration",
    (CONFIGURATION, AFFIRMED_AT_BOOT): "a configuration without known vulnerabilities",
    (CONFIGURATION, VULNERABLE): "a configuration with known vulnerabilities",
    (CONFIGURATION, 36): "parts of the configuration are not shown to the verifier",
    (CONFIGURATION, REFUSED): "a configuration that cannot be accepted",
    (EXECUTABLES, AFFIRMED): "only approved code is loaded",
    (EXECUTABLES, AFFIRMED_AT_BOOT): "only approved code was loaded at boot",
    (EXECUTABLES, VULNERABLE): "recognised code, some of it with known faults",
    (EXECUTABLES, UNRECOGNISED_CODE): "code that the verifier does not recognise",
    (EXECUTABLES, REFUSED): "code that is known to be bad",
    (HARDWARE, AFFIRMED): "genuine, supported hardware and firmware",
    (HARDWARE, VULNERABLE): "genuine hardware and firmware with known vulnerabilities",
    (HARDWARE, REFUSED): "recognised hardware or firmware that is not to be trusted",
    (HARDWARE, UNKNOWN): "no hardware that the verifier recognises",
    (RUNTIME, AFFIRMED): "memory is encrypted, out of the host's reach",
    (RUNTIME, VULNERABLE): "memory is isolated, not encrypted",
    (RUNTIME, REFUSED): "memory is open to the host",
}


def value_words(claim: str, value: int) -> str:
    """What a value of a claim says, for people; by its tier alone where AR4SI leaves it to the verifier."""
    if (claim, value) in _VALUES:
        return _VALUES[claim, value]
    about = CLAIM_WORDS.get(claim, claim)
    if value in _ANY:
        return _ANY[value].format(about)
    return f"{tier_of(value).value}, for a reason of the verifier's own, about {about}"
