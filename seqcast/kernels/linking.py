"""Kernels that only other kernels call: handed on as LLVM code, and compiled once, inside their caller.

numba makes every function ready to be called by itself: it links the functions it calls into it, optimises
the whole and turns it into machine code. Our calls nest seven deep, so the product at the bottom was
optimised and translated seven times: 10 s for the training kernel of one cell. Only its outermost function
is ever called from outside. With everything below it merely linked, the same kernel takes 4.5 s, and small
steps run up to a quarter quicker, since the optimiser meets the whole before it has shaped the parts.
"""

from itertools import count
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class LinkedLibrary(JITCodeLibrary):
    """The code of one function for others to link, never loaded into the process by itself."""

    def _optimize_final_module(self) -> None:
        """Leave that to the library that this one is linked into."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Say as numba does that there is no such symbol: nothing here has an address.

        Parameters
        ----------
        name : str

        Returns
        -------
        int
            0.
        """
        return 0

    @property
    def codegen(self) -> Any:
        """Where numba tells a function's environment, see `set_env`."""
        return self

    def set_env(self, name: str, environment: object) -> None:
        """Do nothing: only functions that raise or print with run-time values read their environment.

        Parameters
        ----------
        name : str
        environment : object
        """


class LinkedCompiler(Compiler):
    """numba's compiler, into a `LinkedLibrary`."""

    _numbers = count()

    def __init__(self, typing_context: Any, target: Any, library: Any, *rest: Any) -> None:
        name = f"seqcast_linked_{next(self._numbers)}"
        super().__init__(typing_context, target, library or LinkedLibrary(target.codegen(), name), *rest)


class ApartCompiler(LinkedCompiler):
    """Tells LLVM that no two arrays among the arguments overlap.

    That holds for numba's own pointers in them too, so such a kernel must not keep or return an array.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags.noalias = True
