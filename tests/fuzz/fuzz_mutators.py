"""Ways to change valid input: bytes, lengths, ASN.1, JSON, PEM and TOML; each is a function of a random source.

Decided here: what a change is. Not decided here: which parser sees it (``fuzz_targets``) and how often
(``fuzz_driver``). Invariants: a result has at most ``MAX_MUTANT_BYTES``; the same source and input give the same.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import string
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

MAX_MUTANT_BYTES = 65_536
Mutator = Callable[[Random, bytes, Sequence[bytes]], bytes]

_INTERESTING = (0, 1, 2, 3, 5, 6, 7, 0x7F, 0x80, 0x81, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
_TAGS = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0A,
    0x0C,
    0x13,
    0x17,
    0x18,
    0x1E,
    0x30,
    0x31,
    0x80,
    0xA0,
    0xA3,
    0x1F,
    0x00,
)
_JSON_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        255,
        256,
        2**31,
        2**32,
        2**53,
        2**53 + 1,
        2**64,
        -(2**63),
        10**400,
        0.5,
        1e308,
        -0.0,
    ),
    *(
        "",
        "0",
        "00",
        "zz",
        "\x00",
        "\ud800",
        "\U0001f600",
        "A" * 300,
        "UpToDate",
        "Revoked",
        "SGX",
        "TDX",
        "QE",
        "TD_QE",
    ),
    *("2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01", "20260101T000000Z"),
    *(
        "0000-00-00T00:00:00Z",
        "2026-01-01T00:00:00+99:99",
        "2026-01-01T00:00:00.999999999Z",
        "FF" * 16,
        "ff" * 6,
        "0x10",
    ),
    *([], {}, [[]], [{}], {"": None}, [0] * 70, float("nan"), float("inf")),
)
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_PEM = re.compile(_BEGIN + rb"(.*?)" + _END, re.DOTALL)
_TOML_WORDS = (
    *(b"[", b"]", b"[[", b"]]", b"{", b"}", b'"', b"'", b'"""', b"\\u0000", b"\\", b"=", b",", b"#", b"\r", b"\n"),
    *(b"true", b"nan", b"inf", b"-0", b"1e999", b"0x", b"0xffffffffffffffffff", b"2026-12-31", b"2026-02-30", b"."),
    *(b"1979-05-27T07:32:00Z", b"07:32:00", b"9" * 400, b"[" * 80, b"a." * 70, b"version = 1\n", b"[attributes]\n"),
    *(b"[[tcb]]\n", b"\xff", b"\xef\xbb\xbf"),
)  # fmt: skip


def mutate_bytes(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to four plain changes: bits, bytes, integers, blocks, truncation, splicing."""
    changed = bytearray(data)
    for _ in range(1 + int(random.random() ** 3 * 4)):
        _BYTE_CHANGES[int(random.random() * len(_BYTE_CHANGES))](random, changed, others)
    return bytes(changed[:MAX_MUTANT_BYTES])


def _place(random: Random, data: bytearray) -> int:
    return int(random.random() * (len(data) + 1))


def _flip_bit(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[int(random.random() * len(data))] ^= 1 << int(random.random() * 8)


def _set_byte(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[int(random.random() * len(data))] = random.getrandbits(8)


def _set_integer(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    size = random.choice((1, 2, 4, 8))
    at = _place(random, data)
    if at + size > len(data):
        return
    order: Any = random.choice(("little", "big"))
    if random.random() < 0.5:
        value = random.choice(_INTERESTING)
    else:  # what stands there may be a length or a count: a little more, a little less
        value = int.from_bytes(data[at : at + size], order) + random.randint(-40, 40)
    data[at : at + size] = (value % 256**size).to_bytes(size, order)


def _delete_block(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, data)
    del data[at : at + 1 + int(random.random() ** 4 * 512)]


def _insert_block(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, size = _place(random, data), 1 + int(random.random() ** 6 * 4_096)
    data[at:at] = random.randbytes(size) if random.random() < 0.5 else bytes([random.getrandbits(8)]) * size


def _repeat_block(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, size = _place(random, data), 1 + int(random.random() ** 3 * 256)
    block, to = data[at : at + size], _place(random, data)
    data[to:to] = block * random.choice((1, 1, 1, 2, 16))


def _overwrite_block(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, size, to = _place(random, data), 1 + int(random.random() ** 3 * 256), _place(random, data)
    block = data[at : at + size]
    data[to : to + len(block)] = block


def _truncate(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(random, data) :]


def _splice(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    other = random.choice(others) if others else bytes(data)
    at = _place(random, data)
    if random.random() < 0.5:  # the same place in both: fields keep their meaning
        end = at + 1 + int(random.random() ** 2 * 1_024)
        data[at:end] = other[at:end]
    else:
        start = int(random.random() * (len(other) + 1))
        data[at:] = other[start:]


_BYTE_CHANGES = (
    *(_flip_bit, _flip_bit, _set_byte, _set_integer, _set_integer, _delete_block, _insert_block, _repeat_block),
    *(_overwrite_block, _truncate, _splice),
)


def at_fields(*offsets: tuple[int, int]) -> Mutator:
    """Changes to little-endian integers at known places, (offset, size): versions, kinds and lengths."""

    def mutate(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
        changed = bytearray(data)
        for _ in range(random.choice((1, 1, 2))):
            offset, size = random.choice(offsets)
            old = int.from_bytes(changed[offset : offset + size], "little")
            value = random.choice(_INTERESTING) if random.random() < 0.6 else old + random.randint(-70, 70)
            if offset + size <= len(changed):
                changed[offset : offset + size] = (value % 256**size).to_bytes(size, "little")
        if random.random() < 0.3:
            return mutate_bytes(random, bytes(changed), others)
        return bytes(changed)

    return mutate


def mutate_der(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A change to one element of a DER text, with the lengths around it made right again (or left wrong)."""
    path = _walk(random, data)
    if not path:
        return mutate_bytes(random, data, others)
    start, header, size = path[-1]
    element, content = data[start : start + header + size], data[start + header : start + header + size]
    kind = random.randrange(10)
    if kind == 0:
        new = b""
    elif kind == 1:
        new = element * random.choice((2, 2, 3, 40))
    elif kind == 2:
        new = bytes([random.choice(_TAGS)]) + element[1:]
    elif kind == 3:
        new = _tlv(element[0], mutate_bytes(random, content, others)[:4_096])
    elif kind == 4:
        new = _tlv(
            element[0],
            random.choice((b"", b"\x00", b"\xff", b"\x80\x01", bytes(40), random.randbytes(8), b"\x7f" * 32)),
        )
    elif kind == 5:
        new = element[:1] + _odd_length(random, size) + content
    elif kind == 6:
        new = _tlv(random.choice((0x30, 0x31, 0x04, 0xA0)), element)
        for _ in range(random.choice((0, 0, 3, 60))):
            new = _tlv(0x30, new)[:8_192]
    elif kind == 7 and others:
        other = random.choice(others)
        found = _walk(random, other)
        new = other[found[-1][0] : sum(found[-1])] if found else element
    elif kind == 8:
        siblings = _children(data, *path[-2]) if len(path) > 1 else []
        if len(siblings) < 2:
            new = element[::-1]
        else:
            chosen = random.choice(siblings)
            new = data[chosen[0] : sum(chosen)]
    else:
        new = element[:header] + bytes(
            byte ^ (1 << random.randrange(8)) if random.random() < 0.05 else byte for byte in content
        )
    return _rebuilt(data, path, new)[:MAX_MUTANT_BYTES]


Element = tuple[int, int, int]  # where it starts, size of tag and length, size of its content


def _walk(random: Random, data: bytes) -> list[Element]:
    """The way from the outermost element down to a random one."""
    path: list[Element] = []
    start, end = 0, len(data)
    while True:
        elements = _elements(data, start, end)
        if not elements:
            return path
        chosen = random.choice(elements)
        path.append(chosen)
        inner = chosen[0] + chosen[1]
        constructed = data[chosen[0]] & 0x20 or data[chosen[0]] == 0x04
        if not constructed or random.random() < 0.12 or len(path) > 24:
            return path
        start, end = inner, inner + chosen[2]


def _children(data: bytes, start: int, header: int, size: int) -> list[Element]:
    return _elements(data, start + header, start + header + size)


def _elements(data: bytes, start: int, end: int) -> list[Element]:
    found: list[Element] = []
    while start + 2 <= end and len(found) < 200:
        size, header = data[start + 1], 2
        if size & 0x80:
            count = size & 0x7F
            if not 1 <= count <= 3:
                return []
            header, size = 2 + count, int.from_bytes(data[start + 2 : start + 2 + count], "big")
        if start + header + size > end:
            return []
        found.append((start, header, size))
        start += header + size
    return found if start == end else []


def _rebuilt(data: bytes, path: list[Element], new: bytes) -> bytes:
    for index in range(len(path) - 1, -1, -1):
        start, header, size = path[index]
        if index == 0:
            return data[:start] + new + data[start + header + size :]
        outer, outer_header, outer_size = path[index - 1]
        inner = outer + outer_header
        new = _tlv(data[outer], data[inner:start] + new + data[start + header + size : inner + outer_size])
    return new


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    encoded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(encoded)]) + encoded + content


def _odd_length(random: Random, size: int) -> bytes:
    return random.choice(
        (
            bytes([max(size - 1, 0) & 0x7F]),
            bytes([(size + 1) & 0x7F]),
            b"\x80",
            b"\x81" + bytes([size & 0xFF]),
            b"\x84\xff\xff\xff\xff",
            b"\x88" + b"\xff" * 8,
            b"\x82\x00" + bytes([size & 0xFF]),
            b"\xff",
        )
    )


def mutate_json(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A change to the tree of a JSON text: values, keys, kinds, depth, repetition."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(random, data, others)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        value = _changed_json(random, value)
    if random.random() < 0.03:  # deeper than any reader should follow
        depth = random.choice((30, 63, 64, 65, 2_000))
        return (b'{"a":' * depth + b"1" + b"}" * depth)[:MAX_MUTANT_BYTES]
    separators = (",", ":") if random.random() < 0.9 else (" , ", " :\t")
    text = json.dumps(value, separators=separators, ensure_ascii=random.random() < 0.9, sort_keys=random.random() < 0.2)
    if random.random() < 0.04:
        text = re.sub(r'("[a-zA-Z_]+":)', lambda found: found.group() * 1 + "0," + found.group(), text, count=1)
    return text.encode("utf-8", "surrogatepass")[:MAX_MUTANT_BYTES]


def canonical_json(mutate: Mutator) -> Mutator:
    """The same, and mostly written in the canonical form that strict readers ask for."""

    def wrapped(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
        changed = mutate(random, data, others)
        if random.random() < 0.8:
            try:
                text = json.dumps(json.loads(changed), separators=(",", ":"), ensure_ascii=False, sort_keys=True)
                return text.encode("utf-8", "surrogatepass")[:MAX_MUTANT_BYTES]
            except (ValueError, RecursionError):
                return changed
        return changed

    return wrapped


def _changed_json(random: Random, value: Any) -> Any:
    holders: list[Any] = []
    _collect(value, holders)
    if not holders:
        return _odd_value(random)
    holder = random.choice(holders)
    keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    if not keys:
        if isinstance(holder, dict):
            holder[random.choice(string.ascii_letters)] = _odd_value(random)
        else:
            holder.append(_odd_value(random))
        return value
    key = random.choice(keys)
    kind = random.randrange(9)
    if kind <= 2:
        holder[key] = _odd_value(random)
    elif kind == 3:
        del holder[key]
    elif kind == 4:
        holder[key] = [holder[key]] if random.random() < 0.5 else {"value": holder[key]}
    elif kind == 5 and isinstance(holder, dict):
        holder[random.choice((str(key).upper(), str(key) + "\x00", "", str(key)[:-1], "__proto__"))] = holder.pop(key)
    elif kind == 6 and isinstance(holder, list):
        holder.extend([holder[key]] * random.choice((1, 2, 60)))
    elif kind == 7:
        other = random.choice(holders)
        source = list(other.values()) if isinstance(other, dict) else other
        if source:
            holder[key] = json.loads(json.dumps(random.choice(source)))
    else:
        holder[key] = _changed_leaf(random, holder[key])
    return value


def _odd_value(random: Random) -> Any:
    return copy.deepcopy(random.choice(_JSON_VALUES))  # it may be changed in its turn


def _collect(value: Any, found: list[Any]) -> None:
    if isinstance(value, (dict, list)) and len(found) < 400:
        found.append(value)
        for inner in value.values() if isinstance(value, dict) else value:
            _collect(inner, found)


def _changed_leaf(random: Random, value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + random.choice((-1, 1, 256, 65_536, -value, -2 * value - 1))
    if isinstance(value, str):
        raw = mutate_bytes(random, value.encode("utf-8", "surrogatepass"), ())
        return raw.decode(random.choice(("latin-1", "ascii")), "ignore")[:20_000]
    return _odd_value(random)


def mutate_toml(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A change to the lines of a TOML text, or a word put where none belongs."""
    lines = data.split(b"\n")
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(lines))
        kind = random.randrange(7)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(random.randrange(len(lines) + 1), lines[at])
        elif kind == 2:
            to = random.randrange(len(lines))
            lines[at], lines[to] = lines[to], lines[at]
        elif kind == 3:
            cut = random.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:cut] + random.choice(_TOML_WORDS) + lines[at][cut:]
        elif kind == 4 and b"=" in lines[at]:
            key, _, _ = lines[at].partition(b"=")
            other = random.choice(lines).partition(b"=")[2]
            lines[at] = key + b"=" + (other if random.random() < 0.5 else b" " + random.choice(_TOML_WORDS))
        elif kind == 5 and others:
            lines.insert(at, random.choice(random.choice(others).split(b"\n")))
        else:
            lines[at] = mutate_bytes(random, lines[at], ())
        lines = lines or [b""]
    return b"\n".join(lines)[:MAX_MUTANT_BYTES]


def mutate_pem(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A change to a PEM chain: order, number and bytes of its certificates, or the text around them."""
    found = _PEM.findall(data)
    kind = random.randrange(6)
    if not found or kind == 0:
        return mutate_bytes(random, data, others)
    if kind == 1:
        random.shuffle(found)
    elif kind == 2:
        found = found * random.choice((2, 4)) if random.random() < 0.5 else found[1:]
    elif kind == 3:
        found.insert(random.randrange(len(found) + 1), b"\n" + base64.b64encode(random.randbytes(60)) + b"\n")
    else:
        at = random.randrange(len(found))
        try:
            der = base64.b64decode(found[at])
        except ValueError:
            der = found[at]
        found[at] = b"\n" + base64.b64encode(mutate_der(random, der, ())) + b"\n"
    return b"\n".join(_BEGIN + each + _END for each in found)[:MAX_MUTANT_BYTES]


def mutate_collateral(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A change inside one field of collateral: signed JSON, hex DER, PEM; or to the object that holds them."""
    if random.random() < 0.35:
        return mutate_json(random, data, others)
    try:
        value = json.loads(data)
        name = random.choice(sorted(value))
        field = value[name]
        if name in ("tcb_info", "qe_identity"):
            value[name] = mutate_json(random, field.encode(), ()).decode("latin-1")
        elif name.endswith("_crl"):
            value[name] = mutate_der(random, bytes.fromhex(field), ()).hex()
        elif name.endswith("_chain"):
            value[name] = mutate_pem(random, field.encode(), ()).decode("latin-1")
        else:
            value[name] = mutate_bytes(random, bytes.fromhex(field), ()).hex()
    except (ValueError, TypeError, AttributeError, IndexError, RecursionError):
        return mutate_bytes(random, data, others)
    return json.dumps(value).encode()[:MAX_MUTANT_BYTES]


def one_of(*mutators: Mutator) -> Mutator:
    """One of several, by lot."""

    def mutate(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
        return mutators[int(random.random() * len(mutators))](random, data, others)

    return mutate
