"""The column blocks of a cell's pre-activations, grouped by the products that fill them."""

from dataclasses import dataclass

from ..cells.contract import Cell

_GROUPS = ("input_only", "after_reset", "joint", "state_only")
# The groups that the parts of a gate's pre-activation belong to, by the gate's source.
_PARTS = {
    "both": ("joint",),
    "reset": ("joint",),
    "after_reset": ("after_reset",),
    "input": ("input_only",),
    "state": ("state_only",),
    "split": ("input_only", "state_only"),
}


@dataclass(frozen=True)
class ColumnGroups:
    """Sizes of the groups, and the block of each gate.

    Attributes
    ----------
    input_only, after_reset, joint, state_only : int
        Blocks of each group, in this order.
    step : tuple of int
        Blocks that `Cell.step` reads, in the order of its z.
    reset : tuple of int
        Blocks that `Cell.reset` reads.
    from_x, from_h : tuple of int
        Block of each gate in the rows of weight_ih and of weight_hh.
    """

    input_only: int
    after_reset: int
    joint: int
    state_only: int
    step: tuple[int, ...]
    reset: tuple[int, ...]
    from_x: tuple[int, ...]
    from_h: tuple[int, ...]

    @property
    def total(self) -> int:
        return self.input_only + self.after_reset + self.joint + self.state_only

    @classmethod
    def of(cls, cell: Cell) -> "ColumnGroups":
        """Return the groups of a cell's gates."""
        parts = [(gate, part) for gate in cell.gates for part in _PARTS[gate.source]]
        # The sort is stable: gates keep their order within a group.
        order = sorted(parts, key=lambda item: _GROUPS.index(item[1]))
        block = {(gate.name, part): k for k, (gate, part) in enumerate(order)}
        return cls(
            **{group: sum(part == group for _, part in parts) for group in _GROUPS},
            step=tuple(block[gate.name, part] for gate, part in parts if gate.source != "reset"),
            reset=tuple(block[gate.name, part] for gate, part in parts if gate.source == "reset"),
            from_x=tuple(block[gate.name, part] for gate, part in parts if part != "state_only"),
            from_h=tuple(block[gate.name, part] for gate, part in parts if part != "input_only"),
        )
