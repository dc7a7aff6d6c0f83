"""Updates on the device against the CPU's, parameter by parameter."""

import numpy as np
import pytest
from stages import DTYPES, Batch, close

from seqcast.kernels.cuda.optimizers import Optimizer, Packing, corrections_of
from seqcast.kernels.optimizers import OPTIMIZERS, train_update
from seqcast.learning.options import TrainingOptions
from seqcast.learning.trainer import WeightAverage

dtypes = pytest.mark.parametrize("dtype", DTYPES)
N_TARGETS = 2


class Both:
    """The same updates on the device and on the CPU."""

    def __init__(self, queue, dtype, kind="adam", ema=None, hidden_size=3, **options):
        self.b = b = Batch(dtype, hidden_size=hidden_size, n_outputs=2)
        self.queue, self.kind, self.n = queue, kind, b.architecture.n_parameters
        self.settings = TrainingOptions(optimizer=kind, **options).settings(np.dtype(dtype))
        self.flat = np.append(b.draw(self.n), 0).astype(dtype)
        self.decay = (b.rng.random(self.n) < 0.5).astype(dtype)
        self.moments = np.zeros((2, self.n), dtype)
        self.average = None if ema is None else WeightAverage(ema, self.n)
        self.n_updates = 0
        self.on_device = queue.upload(self.flat)
        self.optimizer = Optimizer(
            queue, b.cuda, kind, self.on_device, self.settings, self.decay, self.moments, ema
        )

    def update(self, gradient, counts):
        """By a gradient in the order of the parameters, of which two biases of a gate share one; `counts`:
        weight of each target's values."""
        b, queue, dtype = self.b, self.queue, self.b.dtype
        self.n_updates += 1
        packed = np.full(b.cuda.index.size, np.nan, dtype)
        packed[b.cuda.back] = gradient
        sums = np.stack([np.full((2, N_TARGETS), 9.0), np.array([[9.0] * N_TARGETS, counts])])
        corrections = corrections_of(self.settings, self.n_updates, 1)
        self.optimizer.update(
            queue.upload(packed),
            queue.upload(sums.astype(dtype).ravel()),
            queue.upload(np.array([0, 1])),
            N_TARGETS,
            queue.upload(corrections.ravel()),
        )
        train_update(
            OPTIMIZERS.index(self.kind),
            self.flat[:-1],
            packed[None],
            b.cuda.back,
            sums[1:],
            self.decay,
            self.moments,
            self.settings,
            self.n_updates,
            np.empty(self.n, dtype),
        )
        if self.average is not None:
            self.average.add(self.flat[:-1])

    def compare(self):
        close(self.queue.download(self.on_device), self.flat)
        found = self.queue.download(self.optimizer.moments).reshape(2, -1)
        if self.moments.dtype == np.float32 and self.kind == "adam":
            # The CPU's compiler makes a difference of (1 - beta) g g, of numbers 1,000 times as large.
            np.testing.assert_allclose(found, self.moments, rtol=1e-4, atol=1e-8)
        else:
            close(found, self.moments, scale=1e-3)


@dtypes
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("options", [{}, {"clip_norm": None, "alpha": 0.1}, {"clip_norm": 0.3}], ids=str)
def test_updates_are_those_of_the_cpu(queue, kind, options, dtype):
    both = Both(queue, dtype, kind, ema=0.9, learning_rate_init=0.05, **options)
    for counts in ([3, 4.5], [0, 2], [1e3, 0]):
        both.update(both.b.draw(both.n), counts)
        both.compare()
    average = queue.zeros(both.n + 1, dtype)
    both.optimizer.average(both.n_updates, average)
    close(queue.download(average)[:-1], both.average.weights().astype(dtype))


@dtypes
def test_a_batch_in_which_nothing_was_observed_only_decays(queue, dtype):
    both = Both(queue, dtype, "sgd", alpha=0.1, clip_norm=None)
    before = both.flat.copy()
    both.update(both.b.draw(both.n), [0, 0])
    both.compare()
    moved = queue.download(both.on_device) != before
    np.testing.assert_array_equal(moved[:-1], both.decay > 0)


@dtypes
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_moves_nothing(queue, kind, dtype, bad):
    both = Both(queue, dtype, kind, ema=0.5)
    gradient = both.b.draw(both.n)
    both.update(gradient, [1, 1])
    before, moments = queue.download(both.on_device), queue.download(both.optimizer.moments)
    gradient[both.n // 2] = bad
    both.update(gradient, [1, 1])
    np.testing.assert_array_equal(queue.download(both.on_device), before)
    np.testing.assert_array_equal(queue.download(both.optimizer.moments), moments)
    both.compare()


def test_a_gradient_whose_square_float32_can_not_hold_is_clipped(queue):
    both = Both(queue, "float32", "sgd", learning_rate_init=0.5)
    both.update(both.b.draw(both.n) * np.float32(1e28), [1, 1])
    both.compare()
    assert np.linalg.norm(both.moments[0]) == pytest.approx(1, rel=1e-5)


def test_more_parameters_than_threads_are_all_moved_in_one_order(queue):
    moved = []
    for _ in range(2):
        both = Both(queue, "float32", hidden_size=17, clip_norm=0.1)
        assert both.n > 32 * 32  # a block has 32 threads here, and there are as many blocks
        both.update(both.b.draw(both.n), [1, 1])
        both.compare()
        moved.append(queue.download(both.on_device))
    np.testing.assert_array_equal(*moved)


def test_weights_are_packed_as_the_layout_says(queue):
    b = Batch("float32", bidirectional=True, n_layers=2, n_outputs=3)
    flat = np.append(b.draw(b.architecture.n_parameters), 0).astype(b.dtype)
    packed = queue.zeros(b.cuda.index.size, b.dtype)
    Packing(queue, b.cuda).pack(queue.upload(flat), packed)
    np.testing.assert_array_equal(queue.download(packed), flat[b.cuda.index] + flat[b.cuda.second])


@dtypes
def test_corrections_belong_to_the_number_of_the_update(dtype):
    settings = TrainingOptions().settings(np.dtype(dtype))
    corrections = corrections_of(settings, 3, 2)
    expected = [[1 - 0.9**k, np.sqrt(1 - 0.999**k)] for k in (3, 4)]
    assert corrections.dtype == dtype
    np.testing.assert_allclose(corrections, expected, rtol=1e-5 if dtype == "float32" else 1e-14)
