"""The part of CBOR that crosses the socket, in exactly one encoding per value.

Decided here: integers within 64 bits, byte and text strings, arrays, maps with text keys, booleans and null; shortest
lengths and ascending keys (core deterministic encoding), no tags, floats or indefinite lengths. Not decided here: what
the values mean (``schema``) and how a frame is cut out of a stream (``wire``). Invariants: nothing is allocated for a
length that the input does not hold, nesting and item count are bounded, and ``encode(parse(x)) == x``.
Source: RFC 8949, sections 3 and 4.2.1; docs/spec/enclave-socket.md.
"""

from __future__ import annotations

from wattest.enclave.measured.errors import FrameMalformed

MAX_DEPTH = 8
MAX_ITEMS = 1 << 17
_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE = 0, 1, 2, 3, 4, 5, 7
_FALSE, _TRUE, _NULL = 0xF4, 0xF5, 0xF6
_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}

Value = None | bool | int | bytes | str | list["Value"] | dict[str, "Value"]


def encode(value: object) -> bytes:
    """Encode ``value``; ``bytes``-like objects become byte strings, tuples arrays.

    Raises: TypeError or OverflowError for a value outside the subset, which is a bug of the caller.
    """
    out: list[bytes] = []
    _encode(value, out)
    return b"".join(out)


def _encode(value: object, out: list[bytes]) -> None:
    if value is None:
        out.append(bytes((_NULL,)))
    elif value is True or value is False:
        out.append(bytes((_TRUE if value else _FALSE,)))
    elif isinstance(value, int):
        out.append(_head(_UINT, value) if value >= 0 else _head(_NEGATIVE, -1 - value))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        out.append(_head(_BYTES, value.nbytes if isinstance(value, memoryview) else len(value)))
        out.append(bytes(value))
    elif isinstance(value, str):
        text = value.encode()
        out.append(_head(_TEXT, len(text)) + text)
    elif isinstance(value, (list, tuple)):
        out.append(_head(_ARRAY, len(value)))
        for item in value:
            _encode(item, out)
    elif isinstance(value, dict):
        out.append(_head(_MAP, len(value)))
        for key, item in sorted((encode(str(name)), item) for name, item in value.items()):
            out.append(key)
            _encode(item, out)
    else:
        raise TypeError(f"{type(value).__name__} does not cross the socket")


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes((major << 5 | argument,))
    for code, size in _ARGUMENT_BYTES.items():
        if argument < 1 << 8 * size:
            return bytes((major << 5 | code,)) + argument.to_bytes(size, "big")
    raise OverflowError("an integer of the socket has at most 64 bits")


def parse(data: bytes) -> Value:
    """Read one value that fills ``data``.

    Raises: FrameMalformed, with the offset, for anything that ``encode`` would not have written.
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.offset != len(data):
        raise FrameMalformed("bytes follow the value", offset=reader.offset, expected=len(data))
    return value


class _Reader:
    __slots__ = ("data", "items", "offset")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0
        self.items = 0

    def value(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise FrameMalformed("values are nested too deeply", offset=self.offset, limit=MAX_DEPTH)
        self.items += 1
        if self.items > MAX_ITEMS:
            raise FrameMalformed("a frame holds too many items", offset=self.offset, limit=MAX_ITEMS)
        initial = self.take(1)[0]
        major, code = initial >> 5, initial & 0x1F
        if major == _SIMPLE:
            if initial in (_FALSE, _TRUE):
                return initial == _TRUE
            if initial == _NULL:
                return None
            raise FrameMalformed("only false, true and null are simple values here", offset=self.offset - 1)
        argument = self.argument(code)
        if major == _UINT:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self.take(argument)
        if major == _TEXT:
            return self.text(argument)
        if major == _ARRAY:
            self.require(argument)
            return [self.value(depth + 1) for _ in range(argument)]
        if major == _MAP:
            return self.map(argument, depth)
        raise FrameMalformed("tags are not used here", offset=self.offset)

    def map(self, count: int, depth: int) -> Value:
        self.require(2 * count)
        found: dict[str, Value] = {}
        before = b""
        for _ in range(count):
            start = self.offset
            initial = self.take(1)[0]
            if initial >> 5 != _TEXT:
                raise FrameMalformed("the keys of a map are text", offset=start)
            name = self.text(self.argument(initial & 0x1F))
            key = self.data[start : self.offset]
            if key <= before:
                raise FrameMalformed("the keys of a map must ascend", offset=start)
            before = key
            found[name] = self.value(depth + 1)
        return found

    def argument(self, code: int) -> int:
        if code < 24:
            return code
        size = _ARGUMENT_BYTES.get(code)
        if size is None:
            raise FrameMalformed("lengths are definite", offset=self.offset - 1)
        value = int.from_bytes(self.take(size), "big")
        if value < 24 or (size > 1 and value < 1 << 4 * size):
            raise FrameMalformed("an integer is not in its shortest form", offset=self.offset - size)
        return value

    def text(self, length: int) -> str:
        start = self.offset
        try:
            return self.take(length).decode()
        except UnicodeDecodeError as error:
            raise FrameMalformed("text is not UTF-8", offset=start) from error

    def take(self, length: int) -> bytes:
        self.require(length)
        start = self.offset
        self.offset += length
        return self.data[start : self.offset]

    def require(self, length: int) -> None:
        """Refuse a length (or a count of items of at least a byte) that the input cannot hold."""
        if length > len(self.data) - self.offset:
            raise FrameMalformed(
                "a length points past the end", offset=self.offset, expected=length, actual=len(self.data) - self.offset
            )
