"""Operations and bytes of a pass, by formula, and the limit of the GPU that a kernel approaches."""

from typing import Any, NamedTuple

from seqcast.cells import find_cell
from seqcast.kernels.column_groups import ColumnGroups

from .comparisons import GATES, Size

# Bytes of a number.
FLOAT = 4
# Numbers that a thread reads from shared memory at once.
FOUR = 4
# Smallest share of a rate that counts as a limit.
NEAR = 0.5
# Bytes of shared memory that CUDA takes for each block.
RESERVED = 1024

TEXT = (
    "The recurrent part of a layer alone, which takes most of the time of a pass: one kernel where the "
    "weights fit into registers and shared memory, otherwise a product and a kernel for each step. At once: "
    "number of blocks that run concurrently, and the resource that limits it (registers as the compiler "
    "allocated them). The shares compare with measured rates of the GPU in the same run: multiplications "
    "and additions of the products with a float32 matrix product of cuBLAS, and bytes by formula with a "
    "copy. Wavefronts of shared memory, by formula, are compared with one wavefront per cycle of each "
    "processor. If all shares are below one half, the limit is latency: each step waits for the one before. "
    "Stepwise kernels read and write their pre-activations once more in each product; these bytes are "
    "counted even if the cache holds them."
)
COLUMNS = (
    "pass",
    "cell",
    "H",
    "batch",
    "a step, us",
    "samples a block",
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
    """Floating-point operations and bytes of memory traffic."""

    flops: int
    bytes: int


def forward(cell: str, size: Size, keep: bool, in_registers: bool) -> Cost:
    """Return the cost of a forward pass: gathered inputs, their product, and the recurrent part."""
    F = size.inputs
    C = _columns(cell, size)
    product = _product(cell, size, size.inputs)
    inputs = _bytes(size, (2 * F + 1) + (F + 1) + C)
    recurrent = recurrent_forward(cell, size, keep, in_registers)
    return Cost(product + recurrent.flops, inputs + recurrent.bytes)


def backward(cell: str, size: Size, grad_inputs: bool, in_registers: bool) -> Cost:
    """Return the cost of a backward pass: the recurrent part, and gradients of weights and inputs."""
    F = size.inputs
    H = size.hidden
    C = _columns(cell, size)
    recurrent = recurrent_backward(cell, size, grad_inputs, in_registers)
    flops = recurrent.flops + _product(cell, size, F + H) + grad_inputs * _product(cell, size, F)
    return Cost(flops, recurrent.bytes + _bytes(size, (H + F + 1) + C + grad_inputs * (C + 3 * F)))


def recurrent_forward(cell: str, size: Size, keep: bool, in_registers: bool) -> Cost:
    H = size.hidden
    C = _columns(cell, size)
    (n_states, n_saved) = _count_states(cell)
    numbers = C + H + keep * (n_states - 1 + n_saved) * H
    numbers += 0 if in_registers else 2 * C + (1 + n_states) * H
    return Cost(_product(cell, size, H), _bytes(size, numbers))


def recurrent_backward(cell: str, size: Size, outputs: bool, in_registers: bool) -> Cost:
    H = size.hidden
    C = _columns(cell, size)
    (n_states, n_saved) = _count_states(cell)
    numbers = (n_states + n_saved + outputs) * H + C
    numbers += 0 if in_registers else C + 2 * (1 + n_states) * H
    return Cost(_product(cell, size, H), _bytes(size, numbers))


def training(cell: str, size: Size, in_registers: bool) -> Cost:
    """Return the cost of a training step.

    It is that of both passes, and of some thirteen numbers read or written for each parameter. The head is
    not counted.
    """
    parts = forward(cell, size, True, in_registers), backward(cell, size, False, in_registers)
    update = 13 * FLOAT * _columns(cell, size) * (size.hidden + size.inputs + 1)
    return Cost(sum(part.flops for part in parts), sum(part.bytes for part in parts) + update)


def _product(cell: str, size: Size, depth: int) -> int:
    return 2 * size.batch * size.steps * GATES[cell] * size.hidden * depth


def _bytes(size: Size, numbers: int) -> int:
    """Return the bytes of a number of floats for each sample and step."""
    return FLOAT * size.batch * size.steps * numbers


def _columns(cell: str, size: Size) -> int:
    return ColumnGroups.of(find_cell(cell)).total * size.hidden


def _count_states(cell: str) -> tuple[int, int]:
    contract = find_cell(cell)
    return len(contract.states), contract.n_saved


# -- kernels


def describe_kernel(
    shape: Any, shared: int, size: Size, compiled: dict[str, int], gpu: dict[str, Any]
) -> dict:
    """Return how a kernel that keeps weights in registers runs: its blocks, and how many fit on a processor.

    compiled: registers and local memory of a thread; empty if unknown.
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
        "samples": shape.n_samples,
        "threads": shape.threads,
        "own weights": shape.n_own,
        "shared": shared,
        "blocks": -(-size.batch // shape.n_samples),
        "a processor": fits,
        "wavefronts": count_wavefronts(shape),
        **compiled,
    }


def count_wavefronts(shape: Any) -> int:
    """Return the wavefronts of shared memory in the products of one step of one block.

    Four numbers of a sample are read at a time by all threads of a warp together. Of weights in shared memory
    each thread reads four, in four wavefronts.
    """
    warps = -(-shape.threads // 32)
    rest = shape.depth - shape.n_own
    return warps * (shape.n_samples * shape.depth // FOUR + rest)


def find_shares(row: dict, gpu: dict) -> dict[str, float]:
    """Return the shares of the rates that the GPU reaches."""
    seconds = row["seconds"]["seqcast"]["device"]
    found = {
        "arithmetic": row["flops"] / seconds / gpu["product, FLOP/s"],
        "bandwidth": row["bytes"] / seconds / gpu["copy, bytes/s"],
    }
    if facts := row.get("kernel"):
        cycles = seconds * gpu["clock"] * gpu["processors"]
        found["shared memory"] = facts["wavefronts"] * facts["blocks"] * row["steps"] / cycles
    return found


def name_limit(found: dict[str, float]) -> str:
    """Return the name of the largest share, or "latency" if it is small."""
    name = max(found, key=lambda name: found[name])
    return name if found[name] >= NEAR else "latency"


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    gpus = [row for row in rows if row["what"] == "GPU"]
    return [_line(row, gpus[0]) for row in rows if row["what"].startswith("recurrent ") and gpus]


def _line(row: dict, gpu: dict) -> tuple[str, ...]:
    found = find_shares(row, gpu)
    step = 1e6 * row["seconds"]["seqcast"]["device"] / row["steps"]
    facts = row.get("kernel")
    return (
        row["what"].removeprefix("recurrent "),
        row["cell"],
        str(row["hidden"]),
        str(row["batch"]),
        f"{step:.3g}",
        *(_facts(facts, gpu) if facts else ("stepwise", "", "", "", "")),
        *(f"{found[name]:.2f}" if name in found else "" for name in COLUMNS[-4:-1]),
        name_limit(found),
    )


def _facts(facts: dict, gpu: dict) -> tuple[str, ...]:
    fits = facts["a processor"]
    scarce = min(fits, key=lambda name: fits[name])
    at_once = f"{fits[scarce] * gpu['processors']} ({scarce})"
    kilobytes = f"{facts['shared'] / 1024:.0f}"
    return str(facts["samples"]), str(facts["blocks"]), at_once, str(facts.get("registers", "")), kilobytes
