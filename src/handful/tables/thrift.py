"""Structures in Thrift's compact encoding, in which a Parquet file describes itself.

Only what such descriptions hold is read. Numbers of fields stand for their names.
"""

from typing import Any

from handful.errors import HandfulError

_MAX_DEPTH = 16
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class Damaged(HandfulError):
    """The bytes are no such structure."""


class CompactReader:
    """Reads structures one after another.

    Args:
        data: all bytes.
        at: where the first structure begins.
        end: where the last one must have ended.

    Attributes:
        at: where the next structure begins.
    """

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data, self.at, self._end = data, at, end

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The structure's values, by the numbers of their fields.

        Whole numbers, booleans, bytes, lists and structures are read; None stands for other values.

        Raises:
            Damaged: if there is none.
        """
        if depth > _MAX_DEPTH:
            raise Damaged("a structure within too many others")
        fields: dict[int, Any] = {}
        field = 0
        while (head := self._byte()) != 0:
            field = field + (head >> 4) if head >> 4 else self._integer()
            fields[field] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_I16, _I32, _I64):
            return self._integer()
        if kind == _BINARY:
            return self._bytes(self._unsigned())
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_BYTE, _DOUBLE):
            self._bytes(1 if kind == _BYTE else 8)
            return None
        raise Damaged(f"a value of the unknown kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._unsigned()
        if size > self._end - self.at:  # an entry takes a byte or more
            raise Damaged(f"a list of {size} entries")
        kind = head & 15
        if kind in (_TRUE, _FALSE):
            return [self._byte() == _TRUE for _ in range(size)]
        return [self._value(kind, depth) for _ in range(size)]

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, size: int) -> bytes:
        if size > self._end - self.at:
            raise Damaged("an end where there should be more")
        self.at += size
        return self._data[self.at - size : self.at]

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise Damaged("a number of too many digits")

    def _integer(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)
