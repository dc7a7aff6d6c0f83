"""The column groups of the built-in cells, written out by hand."""

from seqcast.cells import find_cell
from seqcast.kernels.column_groups import ColumnGroups


def test_columns_of_the_built_in_cells():
    """The groups are written out by hand for three kinds of products."""
    lstm, gru, before = (ColumnGroups.of(find_cell(name)) for name in ("lstm", "gru", "gru_reset_before"))
    assert (lstm.input_only, lstm.after_reset, lstm.joint, lstm.state_only) == (0, 0, 4, 0)
    assert lstm.step == lstm.from_x == lstm.from_h == (0, 1, 2, 3)
    assert (gru.input_only, gru.after_reset, gru.joint, gru.state_only) == (1, 0, 2, 1)
    assert (gru.step, gru.from_x, gru.from_h) == ((1, 2, 0, 3), (1, 2, 0), (1, 2, 3))
    assert (before.input_only, before.after_reset, before.joint, before.state_only) == (0, 1, 2, 0)
    assert (before.step, before.reset, before.from_x) == ((2, 0), (1,), (1, 2, 0))
