"""Interface of matrix products on the device, which tiled kernels and cuBLAS implement."""

from typing import Any, NamedTuple, Protocol

TRANSPOSITIONS = ("", "a", "b")


class Matrix(NamedTuple):
    """Row-major view of a flat device array: element (i, j) is ``array[offset + i * stride + j]``."""

    array: Any
    offset: int
    stride: int


class Products(Protocol):
    """Matrix products of one dtype on one queue."""

    def multiply(
        self,
        a: Matrix,
        b: Matrix,
        c: Matrix,
        shape: tuple[int, int, int],
        *,
        transposed: str = "",
        add: bool = False,
    ) -> None:
        """Set C = A @ B or, with `add`, C = C + A @ B.

        Parameters
        ----------
        a, b : Matrix, IN
            (m, depth) and (depth, n). The operand that `transposed` names is stored transposed.
        c : Matrix, OUT; with `add` IN and OUT
            (m, n). It must not overlap `a` or `b`.
        shape : (m, n, depth)
        transposed : "", "a" or "b"
        add : bool
        """
