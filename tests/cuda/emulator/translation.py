"""Translation of PTX, as NVVM writes it, to C: a function that runs one thread up to its next barrier.

Only features that occur are supported, and others are refused: one kernel in a module, one-dimensional
blocks, functions that return one number, and no atomics, votes or shuffles.
"""

import re
from collections.abc import Callable, Iterator

from .instructions import translate_arithmetic

SPECIAL = {
    "%tid.x": "launch->thread",
    "%ntid.x": "launch->n_threads",
    **{f"%ctaid.{axis}": f"launch->place[{k}]" for k, axis in enumerate("xyz")},
    **{f"%nctaid.{axis}": f"launch->grid[{k}]" for k, axis in enumerate("xyz")},
    "%dynamic_smem_size": "(launch->memories[OF_BLOCK].size - STATIC_SHARED)",
}
FUNCTION = re.compile(r"^(?:\.visible )?\.(entry|func)([^;{]*)\{\n(.*?)^\}", re.M | re.S)
ARRAY = re.compile(r"^(?:\.\w+ )?\.(shared|global) \.align (\d+) \.b8 (\w+)\[(\d*)\](?: = (\{.*?\}))?;", re.M)
NAME = re.compile(r".* (\w+)\(.*", re.S)
PARAMETER = re.compile(r"\.param \.\w+ (\w+)")
REGISTERS = re.compile(r"\.reg \.\w+\s+%?([a-zA-Z_]+)(?:<(\d+)>)?")
LOCAL = re.compile(r"\.local \.align \d+ \.b8\s+(\w+)\[(\d+)\]")
UNUSED = re.compile(r'\.pragma "used_bytes_mask (\w+)"')
INSTRUCTION = re.compile(r"(?:@(!?)(%\w+)\s+)?([\w.]+)\s*(.*)")
OPERAND = re.compile(r"\{[^}]*\}|\([^)]*\)|[^\s,]+")
REGISTER = re.compile(r"%([a-zA-Z]+)(\d*)")
NUMBER = re.compile(r"-?\d+")
FLOAT = re.compile(r"0[fd]([0-9a-fA-F]+)")
ADDRESS = re.compile(r"\[([%\w]+)(?:\+(-?\d+))?\]")
ACCESS = re.compile(r"(ld|st)(?:\.(global|shared|local))?(?:\.nc)?(?:\.v[24])?\.([usf](?:32|64))")
ALL_BYTES = "~0ull"


class UnknownPtxError(ValueError):
    """The translation does not support something in the PTX."""


def translate(text: str) -> str:
    """Return C for a PTX module with one kernel."""
    *functions, kernel = sorted(FUNCTION.finditer(text), key=_is_kernel)
    arrays = [found.groups() for found in ARRAY.finditer(text)]
    places, n_shared = _place_shared(arrays)
    symbols = places | {name: "(uint64_t)constants" for space, _, name, *_ in arrays if space == "global"}
    if any(map(_is_kernel, functions)) or len(symbols) > len(places) + 1:
        raise UnknownPtxError("The module has another kernel, or table of constants")
    return "\n".join(
        [
            '#include "runtime.h"',
            *_constants(kernel[2], n_shared, arrays),
            *(Function(text, found, symbols).translate() for found in (*functions, kernel)),
            '#include "scheduler.h"',
        ]
    )


def _is_kernel(found: re.Match) -> bool:
    return found[1] == "entry"


def _place_shared(arrays: list[tuple]) -> tuple[dict[str, str], int]:
    """Return the addresses of shared arrays, those of dynamic size last, and the end of the others."""
    places = {}
    end = 0
    for space, alignment, name, size, _ in sorted(arrays, key=lambda array: array[3] == ""):
        if space == "shared":
            end = -(-end // int(alignment)) * int(alignment)
            places[name] = f"(launch->memories[OF_BLOCK].base + {end})"
            end += int(size or 0)
    return places, end


def _constants(header: str, n_shared: int, arrays: list[tuple]) -> Iterator[str]:
    most = re.search(r"\.maxntid (\d+)", header)
    yield f"enum {{ N_ARGUMENTS = {len(PARAMETER.findall(header))}, STATIC_SHARED = {n_shared} }};"
    yield f"enum {{ MOST_THREADS = {most[1] if most else 1024} }};"
    table = next(((size, numbers) for space, _, _, size, numbers in arrays if space == "global"), ("0", "{}"))
    yield f"static uint8_t constants[{table[0]}] __attribute__((aligned(16))) = {table[1]};"


class Function:
    """A kernel, whose registers outlive its barriers in a structure, or a function that it calls."""

    def __init__(self, text: str, found: re.Match, symbols: dict[str, str]):
        self._kind, self._header, self._body = found.groups()
        self._line = text.count("\n", 0, found.start(3))
        names = PARAMETER.findall(self._header)
        self._symbols = symbols | dict(zip(names, self._parameters(len(names)), strict=True))
        self._arguments = "".join(f", uint64_t {name}" for name in self._parameters(len(names))[1:])
        self._fields: dict[str, str] = {"local": "uint8_t local[0]"}
        self._used = ALL_BYTES

    def _parameters(self, n: int) -> list[str]:
        if self._kind == "entry":
            return [f"launch->arguments[{k}]" for k in range(n)]
        return ["(*result)", *(f"argument_{k}" for k in range(1, n))]

    def translate(self) -> str:
        body = "\n".join(self._statement(statement) for statement in self._statements())
        fields = " ".join(f"{declaration};" for declaration in self._fields.values())
        if self._kind == "entry":
            return (
                f"struct Thread {{ int64_t barrier; {fields} }};\n"
                "static void run_thread(struct Launch *launch, struct Thread *t)\n"
                f"{{ switch (t->barrier) {{ case 0:;\n{body}\n}} }}"
            )
        (name,) = _match(NAME, self._header)
        return (
            f"static void {name}(struct Launch *launch, uint64_t *result{self._arguments})\n"
            f"{{ struct {{ {fields} }} registers, *t = &registers;\n{body}\n}}"
        )

    def _statements(self) -> Iterator[str]:
        """Yield each statement up to its semicolon, and each label; NVVM writes at most one on a line."""
        parts: list[str] = []
        for line in self._body.split("\n"):
            self._line += 1
            part = line.partition("//")[0].strip()
            # Registers of inner blocks with the same name have the same type.
            if part not in ("", "{", "}"):
                parts.append(part)
            if part.endswith((";", ":")):
                yield " ".join(parts)
                parts = []

    # -- statements

    def _statement(self, text: str) -> str:
        if text.endswith(":"):
            return f"{text.replace('$', '')};"
        text = text.removesuffix(";").rstrip()
        if text.startswith("."):
            return self._declare(text)
        try:
            return f"/* {self._line} */ {self._guard(text)}"
        except (LookupError, TypeError, ValueError) as error:
            raise UnknownPtxError(f"Line {self._line} is unknown: {text}") from error

    def _declare(self, text: str) -> str:
        if found := REGISTERS.fullmatch(text):
            self._fields[found[1]] = f"uint64_t {found[1]}" + (f"[{found[2]}]" if found[2] else "")
        elif (found := LOCAL.fullmatch(text)) and self._kind == "entry":
            self._fields["local"] = f"uint8_t local[{found[2]}] __attribute__((aligned(16)))"
            self._symbols[found[1]] = "(uint64_t)t->local"
        elif found := PARAMETER.fullmatch(text):
            self._fields[found[1]] = f"uint64_t {found[1]}"
            self._symbols[found[1]] = f"t->{found[1]}"
        elif found := UNUSED.fullmatch(text):
            self._used = found[1]
        elif text != '.pragma "nounroll"':
            raise UnknownPtxError(f"Line {self._line} is unknown: {text}")
        return ""

    def _guard(self, text: str) -> str:
        negated, guard, opcode, rest = _match(INSTRUCTION, text)
        code = self._instruction(opcode, OPERAND.findall(rest))
        return f"if ({negated}as_pred({self._to_bits(guard)})) {{ {code} }}" if guard else code

    def _instruction(self, opcode: str, operands: list[str]) -> str:
        for start, method in STATEMENTS.items():
            if opcode.startswith(start):
                return method(self, opcode, *operands)
        to, *others = operands
        return self._assign(to, translate_arithmetic(opcode, [self._to_bits(other) for other in others]))

    def _return(self, opcode: str) -> str:
        return "t->barrier = ENDED; return;" if self._kind == "entry" else "return;"

    def _branch(self, opcode: str, label: str) -> str:
        return f"goto {label.replace('$', '')};"

    def _wait(self, opcode: str, barrier: str) -> str:
        if (self._kind, opcode, barrier) != ("entry", "bar.sync", "0"):
            raise ValueError("another barrier")
        return f"t->barrier = {self._line}; return; case {self._line}:;"

    def _call(self, opcode: str, result: str, function: str, arguments: str) -> str:
        passed = ", ".join(self._symbols[name] for name in re.findall(r"\w+", arguments))
        return f"{function}(launch, &{self._symbols[result.strip('() ')]}, {passed});"

    def _move_halves(self, opcode: str, to: str, source: str) -> str:
        """Move a register, or move between it and two registers of 32 bits, the lower one first."""
        if source.startswith("{"):
            low, high = (self._to_bits(part) for part in OPERAND.findall(source[1:-1]))
            return self._assign(to, f"(u64)as_u32({high}) << 32 | as_u32({low})")
        if not to.startswith("{"):
            return self._assign(to, self._to_bits(source))
        low, high = OPERAND.findall(to[1:-1])
        halves = self._assign(low, "(u32)both") + self._assign(high, "both >> 32")
        return f"{{ u64 both = {self._to_bits(source)}; {halves} }}"

    def _read_parameter(self, opcode: str, to: str, source: str) -> str:
        return self._assign(to, f"as_{opcode.rpartition('.')[2]}({self._parameter(source)})")

    def _write_parameter(self, opcode: str, to: str, source: str) -> str:
        return f"{self._parameter(to)} = put(as_{opcode.rpartition('.')[2]}({self._to_bits(source)}));"

    def _parameter(self, address: str) -> str:
        return self._symbols[address.strip("[]").removesuffix("+0")]

    def _read(self, opcode: str, to: str, source: str) -> str:
        kind, registers, where = self._access(opcode, to, source)
        copies = " ".join(self._assign(register, f"v[{k}]") for k, register in enumerate(registers))
        return f"{{ {kind} v[{len(registers)}]; memcpy(v, {where}, sizeof v); {copies} }}"

    def _write(self, opcode: str, to: str, source: str) -> str:
        kind, registers, where = self._access(opcode, source, to)
        values = ", ".join(f"as_{kind}({self._to_bits(register)})" for register in registers)
        return f"{{ {kind} v[] = {{{values}}}; memcpy({where}, v, sizeof v); }}"

    def _access(self, opcode: str, data: str, address: str) -> tuple[str, list[str], str]:
        """Return the type and the registers of a memory access, and the C expression of its address."""
        writes, space, kind = _match(ACCESS, opcode)
        base, offset = _match(ADDRESS, address)
        used = self._used
        self._used = ALL_BYTES
        what = f"{(space or 'any').upper()}, {int(writes == 'st')}"
        where = (
            f"reach(launch, {what}, {self._to_bits(base)} + {offset or 0}, sizeof v, {used}, {self._line})"
        )
        return kind, OPERAND.findall(data.strip("{}")), where

    # -- operands

    def _assign(self, register: str, expression: str) -> str:
        return f"{self._register(register)} = put({expression});"

    def _to_bits(self, operand: str) -> str:
        if NUMBER.fullmatch(operand):
            return f"{int(operand) % 2**64}ull"
        if found := FLOAT.fullmatch(operand):
            return f"0x{found[1]}ull"
        if operand in SPECIAL or operand in self._symbols:
            return SPECIAL.get(operand) or self._symbols[operand]
        return self._register(operand)

    def _register(self, operand: str) -> str:
        bank, number = _match(REGISTER, operand)
        return f"t->{bank}[{number}]" if number else f"t->{bank}"


def _match(pattern: re.Pattern, text: str) -> tuple[str, ...]:
    if (found := pattern.fullmatch(text)) is None:
        raise ValueError(text)
    return found.groups()


# Statements other than arithmetic, by the beginning of the opcode; the first match counts.
STATEMENTS: dict[str, Callable[..., str]] = {
    "bra": Function._branch,
    "bar": Function._wait,
    "ret": Function._return,
    "call": Function._call,
    "mov.b64": Function._move_halves,
    "ld.param": Function._read_parameter,
    "st.param": Function._write_parameter,
    "ld": Function._read,
    "st": Function._write,
}
