"""Updates on the device against those of the CPU, parameter by parameter."""

import numpy as np
import pytest
from kernel_calls import update_weights
from stage_batches import DTYPES, Batch, assert_close

from seqcast.kernels.cuda.optimizers import Optimizer, WeightPacker, list_adam_corrections
from seqcast.kernels.modes import OPTIMIZERS
from seqcast.learning.options import TrainingOptions
from seqcast.learning.trainer import WeightAverage

dtypes = pytest.mark.parametrize("dtype", DTYPES)
N_TARGETS = 2


class Both:
    """A pair of optimizers, on the device and on the CPU, with the same updates."""

    def __init__(self, queue, dtype, kind="adam", ema=None, hidden_size=3, **options):
        self.b = b = Batch(dtype, hidden_size=hidden_size, n_outputs=2)
        self.queue = queue
        self.kind = kind
        self.n = b.architecture.n_parameters
        self.settings = TrainingOptions(optimizer=kind, **options).settings(np.dtype(dtype))
        self.flat = np.append(b.draw(self.n), 0).astype(dtype)
        self.decay = (b.rng.random(self.n) < 0.5).astype(dtype)
        self.moments = np.zeros((2, self.n), dtype)
        self.average = None if ema is None else WeightAverage(ema, self.n)
        self.n_updates = 0
        self.on_device = queue.upload(self.flat)
        self.optimizer = Optimizer(
            queue, b.packed_layout, kind, self.on_device, self.settings, self.decay, self.moments, ema
        )

    def update(self, gradient, counts):
        """Update by a gradient in the order of the parameters; `counts`: weight of each target's values.

        The two biases of a gate share one packed gradient.
        """
        b = self.b
        queue = self.queue
        dtype = self.b.dtype
        self.n_updates += 1
        packed = np.full(b.packed_layout.index.size, np.nan, dtype)
        packed[b.packed_layout.back] = gradient
        sums = np.stack([np.full((2, N_TARGETS), 9.0), np.array([[9.0] * N_TARGETS, counts])])
        corrections = list_adam_corrections(self.settings, self.n_updates, 1)
        self.optimizer.update(
            queue.upload(packed),
            queue.upload(sums.astype(dtype).ravel()),
            queue.upload(np.array([0, 1])),
            N_TARGETS,
            queue.upload(corrections.ravel()),
        )
        update_weights(
            OPTIMIZERS.index(self.kind),
            self.flat[:-1],
            packed[None],
            b.packed_layout.back,
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
        assert_close(self.queue.download(self.on_device), self.flat)
        found = self.queue.download(self.optimizer.moments).reshape(2, -1)
        if self.moments.dtype == np.float32 and self.kind == "adam":
            # The CPU's compiler computes (1 - beta) g g as a difference of numbers 1,000 times as large.
            np.testing.assert_allclose(found, self.moments, rtol=1e-4, atol=1e-8)
        else:
            assert_close(found, self.moments, scale=1e-3)


@dtypes
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("options", [{}, {"clip_norm": None, "alpha": 0.1}, {"clip_norm": 0.3}], ids=str)
def test_updates_match_cpu(queue, kind, options, dtype):
    both = Both(queue, dtype, kind, ema=0.9, learning_rate_init=0.05, **options)
    for counts in ([3, 4.5], [0, 2], [1e3, 0]):
        both.update(both.b.draw(both.n), counts)
        both.compare()
    average = queue.zeros(both.n + 1, dtype)
    both.optimizer.average(both.n_updates, average)
    assert_close(queue.download(average)[:-1], both.average.weights().astype(dtype))


@dtypes
def test_batch_without_observations_only_decays_weights(queue, dtype):
    both = Both(queue, dtype, "sgd", alpha=0.1, clip_norm=None)
    before = both.flat.copy()
    both.update(both.b.draw(both.n), [0, 0])
    both.compare()
    moved = queue.download(both.on_device) != before
    np.testing.assert_array_equal(moved[:-1], both.decay > 0)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradient_that_is_not_finite_changes_nothing(queue, kind, bad):
    both = Both(queue, "float64", kind, ema=0.5)
    gradient = both.b.draw(both.n)
    both.update(gradient, [1, 1])
    before = queue.download(both.on_device)
    moments = queue.download(both.optimizer.moments)
    gradient[both.n // 2] = bad
    both.update(gradient, [1, 1])
    np.testing.assert_array_equal(queue.download(both.on_device), before)
    np.testing.assert_array_equal(queue.download(both.optimizer.moments), moments)
    both.compare()


def test_gradient_with_overflowing_square_is_clipped(queue):
    both = Both(queue, "float32", "sgd", learning_rate_init=0.5)
    both.update(both.b.draw(both.n) * np.float32(1e28), [1, 1])
    both.compare()
    assert np.linalg.norm(both.moments[0]) == pytest.approx(1, rel=1e-5)


def test_update_of_many_parameters_is_reproducible(queue):
    moved = []
    for _ in range(2):
        both = Both(queue, "float32", hidden_size=17, clip_norm=0.1)
        # In the simulator a block has 32 threads, and there are at most 32 blocks.
        assert both.n > 32 * 32
        both.update(both.b.draw(both.n), [1, 1])
        both.compare()
        moved.append(queue.download(both.on_device))
    np.testing.assert_array_equal(*moved)


def test_weights_are_packed_by_the_layout(queue):
    b = Batch("float32", bidirectional=True, n_layers=2, n_outputs=3)
    flat = np.append(b.draw(b.architecture.n_parameters), 0).astype(b.dtype)
    packed = queue.zeros(b.packed_layout.index.size, b.dtype)
    WeightPacker(queue, b.packed_layout).pack(queue.upload(flat), packed)
    np.testing.assert_array_equal(
        queue.download(packed), flat[b.packed_layout.index] + flat[b.packed_layout.second]
    )


@dtypes
def test_corrections_depend_on_number_of_update(dtype):
    settings = TrainingOptions().settings(np.dtype(dtype))
    corrections = list_adam_corrections(settings, 3, 2)
    expected = [[1 - 0.9**k, np.sqrt(1 - 0.999**k)] for k in (3, 4)]
    assert corrections.dtype == dtype
    np.testing.assert_allclose(corrections, expected, rtol=1e-5 if dtype == "float32" else 1e-14)
