"""Compilation of kernels that only other kernels call: LLVM code that is compiled once, inside the caller.

numba prepares every function for calls by itself: it links the functions it calls into it, optimises the
whole and turns it into machine code. Our calls nest seven deep, so the product at the bottom was optimised
and translated seven times: 10 s for the training kernel of one cell. Only the outermost function is ever
called from outside. With everything below it merely linked, the same kernel takes 4.5 s, and small steps run
up to a quarter faster, since the optimiser sees the whole before it has transformed the parts.
"""

from itertools import count
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class LinkedLibrary(JITCodeLibrary):
    """The code of one function, which others link and which is never loaded by itself."""

    def _optimize_final_module(self) -> None:
        """Do nothing: the library that this one is linked into optimises the code."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0, numba's answer for a missing symbol: nothing here has an address.

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
        """The object that numba gives a function's environment to, see `set_env`."""
        return self

    def set_env(self, name: str, environment: object) -> None:
        """Do nothing: only functions that raise or print run-time values read their environment.

        Parameters
        ----------
        name : str
        environment : object
        """


class LinkedCompiler(Compiler):
    """The compiler of numba, which writes into a `LinkedLibrary`."""

    _numbers = count()

    def __init__(self, typing_context: Any, target: Any, library: Any, *rest: Any) -> None:
        name = f"seqcast_linked_{next(self._numbers)}"
        super().__init__(typing_context, target, library or LinkedLibrary(target.codegen(), name), *rest)


class NoAliasCompiler(LinkedCompiler):
    """A compiler that tells LLVM that no two arrays among the arguments overlap.

    This includes numba's own pointers in the arrays, so such a kernel must not keep or return an array.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags.noalias = True
