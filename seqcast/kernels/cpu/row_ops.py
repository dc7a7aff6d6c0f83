"""Operations on rows of numbers, as short loops over one or two arrays, which LLVM always vectorizes."""

from .jit import kernel


@kernel
def copy_row(to, source):
    """Copy the first ``to.size`` numbers of `source` to `to`."""
    for j in range(to.size):
        to[j] = source[j]


@kernel
def add_row(to, source):
    """Add the first ``to.size`` numbers of `source` to `to`."""
    for j in range(to.size):
        to[j] += source[j]


@kernel
def scale_row(row, factor):
    """Multiply a row by a number, in place."""
    for j in range(row.size):
        row[j] *= factor


@kernel
def clear(to, n):
    """Set the first `n` numbers of `to` to 0."""
    for j in range(n):
        to[j] = 0


@kernel
def add_rows(rows, stride, n_rows, to):
    """Add each of `n_rows` rows, which lie `stride` apart, to the row `to`."""
    for r in range(n_rows):
        add_row(to, rows[r * stride :])


@kernel
def copy_rows(to, source, stride, first, n_rows, width):
    """Copy rows `first` to `n_rows`, which lie `stride` apart in both arrays."""
    for r in range(first, n_rows):
        copy_row(to[r * stride : r * stride + width], source[r * stride :])


@kernel
def skew(n, lanes):
    """Return `n` rounded up to an odd number of vectors, as `CpuTarget.skew` does."""
    return (-(-n // lanes) | 1) * lanes
