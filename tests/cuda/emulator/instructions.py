"""Arithmetic instructions of PTX as C; only those that NVVM has used for the kernels so far.

Operands a, b, c and d have the instruction's type T unless noted otherwise; W has twice as many bits.
Approximations (ex2, rcp, div) are those of C: those of a GPU differ in the last bits.
"""

import re

COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
COMMON = {
    "mov": "a",
    "add": "a + b",
    "sub": "a - b",
    "neg": "-a",
    "selp": "c:pred ? a : b",
    **{f"setp.{name}": f"a {sign} b" for name, sign in COMPARISONS.items()},
}
INTEGERS = COMMON | {
    # All memory spaces have addresses of the host.
    "cvta.to.global": "a",
    "cvta.local": "a",
    "mul.lo": "a * b",
    "mul.hi": "(T)((W)a * (W)b >> 8 * sizeof(T))",
    "mul.wide": "(W)a * (W)b",
    "mad.lo": "a * b + c",
    "div": "b == 0 ? (T)-1 : (T)-1 < 0 && b == (T)-1 ? -a : a / b",
    "rem": "b == 0 ? (T)-1 : (T)-1 < 0 && b == (T)-1 ? 0 : a % b",
    "min": "a < b ? a : b",
    "max": "a > b ? a : b",
    "and": "a & b",
    "or": "a | b",
    "xor": "a ^ b",
    "not": "~a",
    "shl": "b:u32 < 8 * sizeof(T) ? a << b:u32 : 0",
    "shr": "b:u32 < 8 * sizeof(T) ? a >> b:u32 : a < 0 ? (T)-1 : 0",
}
FLOATS = COMMON | {
    "mul": "a * b",
    "div": "a / b",
    "div.approx": "a / b",
    "rcp": "1 / a",
    "fma": "fma(a, b, c)",
    "sqrt": "sqrt(a)",
    "abs": "fabs(a)",
    "min": "fmin(a, b)",
    "max": "fmax(a, b)",
    "copysign": "copysign(b, a)",
    # In C, comparisons with NaN are false except "!="; in PTX those with a "u" are true.
    "setp.ne": "a < b || a > b",
    "setp.equ": "!(a < b || a > b)",
    "setp.neu": "a != b",
    "setp.ltu": "!(a >= b)",
    "setp.leu": "!(a > b)",
    "setp.gtu": "!(a <= b)",
    "setp.geu": "!(a < b)",
    "setp.num": "a == a && b == b",
    "setp.nan": "a != a || b != b",
}
SINGLE_TYPE_INSTRUCTIONS = {
    "bfi.b32": "insert_bits(a, b, c, d)",
    "prmt.b32": "permute_bytes(a, b, c)",
    "ex2.approx.ftz.f32": "flushed(exp2(flushed(a)))",
    "fma.rm.f32": "fma_down(a, b, c)",
    "rcp.approx.ftz.f64": "upper_half(1 / upper_half(a))",
    "cvt.rni.f32.f32": "rint(a)",
    "cvt.rni.f64.f64": "rint(a)",
    "cvt.rzi.f64.f64": "trunc(a)",
    "cvt.rzi.s64.f32": "to_s64(trunc(a))",
    "cvt.rzi.s64.f64": "to_s64(trunc(a))",
    "cvt.sat.f32.f32": "(f32)fmin(fmax(a, 0), 1)",
}
# Conversions to a float, or between integers.
CONVERSION = re.compile(r"cvt(?:\.rn)?\.(\w+)\.\w+")
PLACEHOLDER = re.compile(r"\b(?:([abcd])(?::(\w+))?|[TW])\b")


def translate_arithmetic(opcode: str, operands: list[str]) -> str:
    """Return C for the result of an instruction; KeyError if it is unknown.

    operands: C expressions for the bits of the operands.
    """
    kind = opcode.rpartition(".")[2]
    others = {"T": kind, "W": _widen(kind)}

    def fill_placeholder(found: re.Match) -> str:
        name, other_kind = found.groups()
        return f"as_{other_kind or kind}({operands['abcd'.index(name)]})" if name else others[found[0]]

    return PLACEHOLDER.sub(fill_placeholder, _find_template(opcode, kind))


def _widen(kind: str) -> str:
    return "" if kind == "pred" else f"{kind[0]}{2 * int(kind[1:])}"


def _find_template(opcode: str, kind: str) -> str:
    if opcode in SINGLE_TYPE_INSTRUCTIONS:
        return SINGLE_TYPE_INSTRUCTIONS[opcode]
    if found := CONVERSION.fullmatch(opcode):
        return f"({found[1]})a"
    name = opcode.removesuffix(f".{kind}")
    if kind in ("f32", "f64"):
        # C rounds to the nearest number, too.
        return FLOATS[name.removesuffix(".rn")]
    return INTEGERS[name]
