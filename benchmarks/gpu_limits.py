"""What a pass costs in operations and bytes, by formula, and which limit of the GPU a kernel comes near."""

from typing import Any, NamedTuple

from seqcast.cells import find_cell
from seqcast.kernels.column_groups import ColumnGroups

from .comparisons import GATES, Size

FLOAT = 4  # bytes
FOUR = 4  # numbers that a thread reads from shared memory at once
NEAR = 0.5  # share of a limit from which it is called the limit
RESERVED = 1024  # bytes of shared memory that CUDA takes for each block

TEXT = (
    "The walk over all steps alone, which is most of a pass: one kernel where the weights fit into registers "
    "and shared memory, else a product and a kernel a step. At once: blocks that run at a time, and what no "
    "more of them fit into (registers as the compiler gave them). Shares of what the GPU reaches: "
    "multiplications and additions of the products against a matrix product of cuBLAS in float32 and bytes "
    "by formula against a copy, both measured in the same run; wavefronts of shared memory, by formula too, "
    "against one a cycle of each processor. Where all are below a half, a step waits for the one before: "
    "latency. A walk by steps reads and writes its pre-activations once more in each product; what the "
    "cache spares of that counts as moved."
)
COLUMNS = (
    "walk",
    "cell",
    "H",
    "batch",
    "a step, us",
    "rows a block",
    "blocks",
    "at once",
    "registers",
    "shared, KB",
    "arithmetic",
    "bandwidth",
    "shared memory",
    "limit",
)


class Cost(NamedTuple):
    flops: int
    bytes: int


def forward(cell: str, size: Size, keep: bool, in_registers: bool) -> Cost:
    """Gather the inputs, one product for all of them, and the walk; with `keep` for a way back."""
    F, C, product = size.inputs, _columns(cell, size), _product(cell, size, size.inputs)
    inputs = _bytes(size, (2 * F + 1) + (F + 1) + C)
    walk = walk_forward(cell, size, keep, in_registers)
    return Cost(product + walk.flops, inputs + walk.bytes)


def backward(cell: str, size: Size, whole: bool, in_registers: bool) -> Cost:
    """The walk, and the weights' gradient; of a `whole` pass that of the inputs too."""
    F, H, C = size.inputs, size.hidden, _columns(cell, size)
    walk = walk_backward(cell, size, whole, in_registers)
    flops = walk.flops + _product(cell, size, F + H) + whole * _product(cell, size, F)
    return Cost(flops, walk.bytes + _bytes(size, (H + F + 1) + C + whole * (C + 3 * F)))


def walk_forward(cell: str, size: Size, keep: bool, in_registers: bool) -> Cost:
    H, C, (n_states, n_saved) = size.hidden, _columns(cell, size), _kept(cell)
    numbers = C + H + keep * (n_states - 1 + n_saved) * H
    numbers += 0 if in_registers else 2 * C + (1 + n_states) * H
    return Cost(_product(cell, size, H), _bytes(size, numbers))


def walk_backward(cell: str, size: Size, outputs: bool, in_registers: bool) -> Cost:
    H, C, (n_states, n_saved) = size.hidden, _columns(cell, size), _kept(cell)
    numbers = (n_states + n_saved + outputs) * H + C
    numbers += 0 if in_registers else C + 2 * (1 + n_states) * H
    return Cost(_product(cell, size, H), _bytes(size, numbers))


def training(cell: str, size: Size, in_registers: bool) -> Cost:
    """Both, and some thirteen numbers read or written for each parameter; not the head, which is small."""
    parts = forward(cell, size, True, in_registers), backward(cell, size, False, in_registers)
    update = 13 * FLOAT * _columns(cell, size) * (size.hidden + size.inputs + 1)
    return Cost(sum(part.flops for part in parts), sum(part.bytes for part in parts) + update)


def _product(cell: str, size: Size, depth: int) -> int:
    return 2 * size.batch * size.steps * GATES[cell] * size.hidden * depth


def _bytes(size: Size, numbers: int) -> int:
    """Of so many numbers for each row and step."""
    return FLOAT * size.batch * size.steps * numbers


def _columns(cell: str, size: Size) -> int:
    return ColumnGroups.of(find_cell(cell)).total * size.hidden


def _kept(cell: str) -> tuple[int, int]:
    contract = find_cell(cell)
    return len(contract.states), contract.n_saved


# -- kernels


def kernel(shape: Any, shared: int, size: Size, compiled: dict[str, int], gpu: dict[str, Any]) -> dict:
    """How a kernel that keeps weights in registers runs: blocks, and how many a processor takes at a time.

    compiled: registers and local memory of a thread; nothing where it is not known.
    """
    threads = -(-shape.threads // 32) * 32
    fits = {
        "threads": gpu["threads"] // threads,
        "blocks": gpu["blocks"],
        "shared memory": gpu["shared"] // (shared + RESERVED),
    }
    if compiled:
        fits["registers"] = gpu["registers"] // (threads * -(-compiled["registers"] // 8) * 8)
    return {
        "rows": shape.n_rows,
        "threads": shape.threads,
        "own weights": shape.n_own,
        "shared": shared,
        "blocks": -(-size.batch // shape.n_rows),
        "a processor": fits,
        "wavefronts": wavefronts(shape),
        **compiled,
    }


def wavefronts(shape: Any) -> int:
    """Of shared memory, in the products of one step of one block: of each row four numbers at a time, which
    all threads of a warp read together; of weights that lie there four for each thread, in four of them."""
    warps, rest = -(-shape.threads // 32), shape.depth - shape.n_own
    return warps * (shape.n_rows * shape.depth // FOUR + rest)


def shares(row: dict, gpu: dict) -> dict[str, float]:
    """Of what the GPU reaches."""
    seconds = row["seconds"]["seqcast"]["device"]
    found = {
        "arithmetic": row["flops"] / seconds / gpu["product, FLOP/s"],
        "bandwidth": row["bytes"] / seconds / gpu["copy, bytes/s"],
    }
    if facts := row.get("kernel"):
        cycles = seconds * gpu["clock"] * gpu["processors"]
        found["shared memory"] = facts["wavefronts"] * facts["blocks"] * row["steps"] / cycles
    return found


def limit(found: dict[str, float]) -> str:
    """The largest share, if it is near."""
    name = max(found, key=lambda name: found[name])
    return name if found[name] >= NEAR else "latency"


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    gpus = [row for row in rows if row["what"] == "GPU"]
    return [_line(row, gpus[0]) for row in rows if row["what"].startswith("walk ") and gpus]


def _line(row: dict, gpu: dict) -> tuple[str, ...]:
    found, step = shares(row, gpu), 1e6 * row["seconds"]["seqcast"]["device"] / row["steps"]
    facts = row.get("kernel")
    return (
        row["what"].removeprefix("walk "),
        row["cell"],
        str(row["hidden"]),
        str(row["batch"]),
        f"{step:.3g}",
        *(_facts(facts, gpu) if facts else ("by steps", "", "", "", "")),
        *(f"{found[name]:.2f}" if name in found else "" for name in COLUMNS[-4:-1]),
        limit(found),
    )


def _facts(facts: dict, gpu: dict) -> tuple[str, ...]:
    fits = facts["a processor"]
    scarce = min(fits, key=lambda name: fits[name])
    at_once = f"{fits[scarce] * gpu['processors']} ({scarce})"
    kilobytes = f"{facts['shared'] / 1024:.0f}"
    return str(facts["rows"]), str(facts["blocks"]), at_once, str(facts.get("registers", "")), kilobytes
