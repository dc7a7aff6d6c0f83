"""What PTX's instructions calculate, as C: of those that NVVM has made of the kernels so far, no others.

Operands a, b, c and d are of the instruction's type T unless said otherwise; W has twice as many bits.
Approximations (ex2, rcp, div) are those of C: a GPU's differ from them in the last bits.
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
    "cvta.to.global": "a",  # all spaces have addresses of the host
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
    # NaN makes those of C false, but "ne", and those with a "u" true.
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
OF_ONE_TYPE = {
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
CONVERSION = re.compile(r"cvt(?:\.rn)?\.(\w+)\.\w+")  # to a float, or from an integer to another
PLACEHOLDER = re.compile(r"\b(?:([abcd])(?::(\w+))?|[TW])\b")


def calculated(opcode: str, operands: list[str]) -> str:
    """C for what an instruction calculates of operands, which are C for their bits; KeyError if unknown."""
    kind = opcode.rpartition(".")[2]
    others = {"T": kind, "W": _wider(kind)}

    def filled(found: re.Match) -> str:
        name, other_kind = found.groups()
        return f"as_{other_kind or kind}({operands['abcd'.index(name)]})" if name else others[found[0]]

    return PLACEHOLDER.sub(filled, _template(opcode, kind))


def _wider(kind: str) -> str:
    return "" if kind == "pred" else f"{kind[0]}{2 * int(kind[1:])}"


def _template(opcode: str, kind: str) -> str:
    if opcode in OF_ONE_TYPE:
        return OF_ONE_TYPE[opcode]
    if found := CONVERSION.fullmatch(opcode):
        return f"({found[1]})a"
    name = opcode.removesuffix(f".{kind}")
    if kind in ("f32", "f64"):
        return FLOATS[name.removesuffix(".rn")]  # to the nearest, as C rounds
    return INTEGERS[name]
