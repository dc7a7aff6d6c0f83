"""The benchmark of the GPU at small sizes: both sides compute the same, and its tables are complete."""

import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import bench_gpu, gpu_costs, gpu_limits, gpu_timing, report, timing, with_seqcast_cuda
from benchmarks.comparisons import Size, training_flops
from benchmarks.gpu_timing import Contestant, measure
from seqcast import Recurrent
from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.cuda import batches
from seqcast.kernels.cuda.compiler import SIMULATED
from seqcast.kernels.cuda.kernel_shape import KernelShape
from seqcast.learning.network import Network
from seqcast.learning.options import TrainingOptions
from seqcast.learning.trainer import CpuTrainer, OptimizerState

SIZE = Size(3, 4, 2, 5)
TINY = Size(2, 2, 1, 2)
SMALL = Size(3, 3, 2, 3)
GPU = {"processors": 10, "clock": 1e9, "registers": 65536, "threads": 2048, "blocks": 32, "shared": 233472}
REACHED = {"what": "GPU", "name": "a GPU", "copy, bytes/s": 1e9, "product, FLOP/s": 1e9}
cells = pytest.mark.parametrize("cell", bench_gpu.CELLS)
with_torch = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")


@pytest.fixture(autouse=True)
def short_turns(monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 1e-4)
    monkeypatch.setattr(gpu_timing, "ROUNDS", 1)
    monkeypatch.setattr(gpu_timing, "TRIAL_CALLS", 1)
    monkeypatch.setattr(bench_gpu, "EPOCH_FLOPS", 0)
    monkeypatch.setattr(gpu_costs, "N_RECORDED", 2)


@pytest.fixture
def without_pytorch(monkeypatch):
    monkeypatch.setattr(bench_gpu, "installed", lambda peer: False)


# -- seqcast's side, beside seqcast on the CPU


@cells
def test_pass_matches_layer_on_cpu(cell):
    layer = with_seqcast_cuda.Layer(cell, SMALL, keep=True)
    cpu = Recurrent(cell, SMALL.inputs, SMALL.hidden)
    cpu.weights = layer.network.weights
    outputs, _ = cpu.forward(layer.x, training=True)
    grad_outputs = layer.grad_outputs.reshape(SMALL.steps, SMALL.batch, SMALL.hidden).swapaxes(0, 1)
    grad_x, gradients = cpu.backward(np.ascontiguousarray(grad_outputs))
    of_weights = {name: gradients[name] for name in layer.network.weights}
    expected = {"outputs": outputs.swapaxes(0, 1), "x": grad_x.swapaxes(0, 1)} | of_weights
    assert bench_gpu.compare(layer.results(), expected)["difference"] < 1e-5
    forward = with_seqcast_cuda.Layer(cell, SMALL, keep=False).results()
    assert forward.keys() == {"outputs"}
    np.testing.assert_allclose(forward["outputs"], expected["outputs"], atol=1e-6)


@cells
def test_updates_match_fit_on_cpu(cell):
    training = with_seqcast_cuda.Training(cell, SMALL.replace(inputs=1), 2, 4)
    network = Network(compose(find_cell(cell), 1, SMALL.hidden, n_outputs=2))
    for name, weight in training.weights.items():
        network.weights[name][:] = weight
    windows = training.trainer.source
    options = TrainingOptions()
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(0), OptimizerState(network))
    batches = training.rows.reshape(4, SMALL.batch, 4)[: with_seqcast_cuda.N_CHECKED]
    losses = [np.divide(*trainer.train_batch(batch))[0] for batch in batches]
    expected = {"loss": np.array(losses)} | network.weights
    assert bench_gpu.compare(training.results(), expected)["difference"] < 1e-5


# -- rows


def by_kind(rows):
    return {row["what"]: row for row in rows}


@with_torch
@cells
def test_rows_compare_results_with_pytorch(cell):
    rows = by_kind(
        [*bench_gpu.measure_layer(cell, SMALL, True), *bench_gpu.measure_layer(cell, SMALL, False)]
    )
    rows |= by_kind(bench_gpu.measure_training(cell, TINY, horizon=2))
    for what in ("forward", "forward, backward", "training step"):
        assert rows[what]["difference"] < 1e-4
        assert {"seqcast", "seqcast, launches", "PyTorch", "PyTorch, TF32"} <= rows[what]["seconds"].keys()
    assert {"seqcast", "PyTorch", "PyTorch, TF32"} <= rows["epoch, a step"]["seconds"].keys()


@with_torch
def test_graph_of_pytorch_matches_its_launches():
    from benchmarks import with_torch_cuda

    mine = with_seqcast_cuda.Training("gru", SMALL.replace(inputs=1), 2, 4)
    starts = mine.rows[:, 0].reshape(4, SMALL.batch)
    one, other = (with_torch_cuda.Training("gru", SMALL, mine.weights, mine.series, starts) for _ in range(2))
    other.call = other.in_graph
    expected = one.results(4)
    for name, array in other.results(4).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-6)
    assert one.epoch(one.call) > 0
    assert one.epoch(one.in_graph) > 0


def test_seqcast_is_measured_without_pytorch(without_pytorch):
    rows = [
        *bench_gpu.describe_pytorch(),
        *gpu_costs.measure_rates(8, 4),
        *bench_gpu.measure_layer("lstm", SMALL, True),
        *bench_gpu.measure_training("gru", TINY, horizon=2),
        *gpu_costs.measure_launches(),
    ]
    assert rows[0] == {"what": "PyTorch", "found": False}
    kinds = by_kind(rows)
    assert kinds["forward, backward"]["seconds"].keys() == {"seqcast", "seqcast, launches"}
    assert kinds["epoch, a step"]["seconds"].keys() == {"seqcast"}
    assert kinds["recurrent backward"]["kernel"]["blocks"] == 3
    step, epoch, both = bench_gpu.table(rows)
    assert (step[:4], both[:2]) == (("training step", "gru", "2", "2"), ("forward, backward", "lstm"))
    assert epoch[5:] == ("", *["not installed"] * 4, *[""] * 4)
    assert [line[0] for line in gpu_limits.table(rows)] == ["forward", "backward"]
    assert [line[0] for line in gpu_costs.table(rows)][2:] == [
        "launch, 1 arrays",
        "launch, 4 arrays",
        "launch, 12 arrays",
        "launch in a graph of 2",
    ]
    result = {"date": "", "machine": {"processor": "", "cores": 1}, "versions": {}, "rows": rows}
    text = report._section("gpu", bench_gpu, result)
    for part in (bench_gpu, gpu_limits, gpu_costs):
        assert report.markdown(part, rows) in text


def test_stepwise_rows_describe_no_kernel(monkeypatch, without_pytorch):
    monkeypatch.setattr(batches, "choose_shape", lambda *_: None)
    both, *recurrent = bench_gpu.measure_layer("lstm", TINY, True)
    assert both["bytes"] > gpu_limits.forward("lstm", TINY, True, True).bytes
    assert [row.get("kernel") for row in recurrent] == [None, None]
    lines = gpu_limits.table([REACHED | GPU, *recurrent])
    assert [line[5] for line in lines] == ["stepwise", "stepwise"]


def test_difference_from_pytorch_raises():
    one = {"a": np.ones(4, np.float32)}
    assert bench_gpu.compare(one, None) == {}
    assert bench_gpu.compare(one, {"a": one["a"] * np.float32(1.0001)})["difference"] < 1.1e-4
    for wrong in (1.01, np.nan):
        with pytest.raises(RuntimeError, match="a differs from PyTorch's by"):
            bench_gpu.compare({"a": one["a"] * np.float32(wrong)}, one)
    with pytest.raises(RuntimeError, match="can not be compared"):
        bench_gpu.compare(one, {"b": one["a"]})


# -- the run


def test_every_size_is_a_task_and_targets_come_first():
    labels = [label for label, _ in bench_gpu.list_tasks()]
    sized = [tuple(label.values()) for label in labels if "cell" in label]
    assert len(set(sized)) == len(sized) == 3 * 2 * 5 * 4
    first = sized[: 3 * 2 * 3 * 3]
    assert {hidden for _, _, hidden, *_ in first} == {32, 64, 128}
    assert {batch for _, _, _, batch, _ in first} == {32, 128, 512}
    assert labels[0] == {"what": "GPU"}


def test_failure_is_reported_and_the_run_continues(monkeypatch, without_pytorch, capsys):
    def fails():
        yield {"what": "begun"}
        raise RuntimeError("out of memory")

    label = {"what": "forward", "cell": "lstm", "hidden": 512, "batch": 4096}
    made = [(label, fails), ({"what": "next"}, lambda: iter([{"what": "next"}]))]
    monkeypatch.setattr(bench_gpu, "list_tasks", lambda: iter(made))
    monkeypatch.setattr(bench_gpu, "BUDGET", 1e9)
    rows = list(bench_gpu.run())
    failed = label | {"left out": "RuntimeError: out of memory"}
    assert rows == [{"what": "begun"}, failed, {"what": "next"}]
    assert capsys.readouterr().out.splitlines() == [str(row) for row in rows]
    (line,) = bench_gpu.table(rows)
    assert line[:5] == ("forward", "lstm", "512", "4096", "RuntimeError: out of memory")
    assert len(line) == len(bench_gpu.COLUMNS)
    short = [{"what": what, "left out": "the time was up"} for what in ("GPU", "launches")]
    assert gpu_costs.table([failed, *short]) == [(row["what"], "the time was up", "", "") for row in short]
    monkeypatch.setattr(bench_gpu, "BUDGET", -1.0)
    assert [row["left out"] for row in bench_gpu.run()] == ["the time was up"] * 2


def test_failing_contestant_of_pytorch_is_reported():
    def fails():
        raise RuntimeError("no graph")

    class FakePyTorch:
        def makers(self):
            return {"PyTorch": lambda: Contestant(int, gpu_timing.HostStream()), "PyTorch, graph": fails}

    row, contestants = bench_gpu._measure({}, FakePyTorch())
    assert row["failed"] == {"PyTorch, graph": "RuntimeError: no graph"}
    assert row["seconds"].keys() == contestants.keys() == {"PyTorch"}
    row |= {"what": "forward", "cell": "lstm", "hidden": 1, "batch": 1}
    row["seconds"]["seqcast"] = row["seconds"]["PyTorch"]
    (line,) = bench_gpu.table([row])
    assert dict(zip(bench_gpu.COLUMNS, line, strict=True))["PyTorch, graph, us"] == "failed"
    assert line[-4:] == ("1.00x", "1.00x", "", "")


# -- timing


def test_marks_measure_time_on_the_queue(queue):
    stream = with_seqcast_cuda.QueueStream(queue)
    found = stream.seconds(stream.mark(), stream.mark())
    # The simulator reports this time for any two events.
    assert found == -1e-3 if SIMULATED else found > 0


class CountingStream:
    """A stream on which each call takes a second."""

    def __init__(self):
        self.calls = 0
        self.turns = 0

    def call(self):
        self.calls += 1

    def mark(self):
        return self.calls

    def seconds(self, first, last):
        return last - first

    @contextmanager
    def turn(self):
        self.turns += 1
        yield


def test_times_are_for_one_part_of_a_call(monkeypatch):
    monkeypatch.setattr(gpu_timing, "ROUNDS", 4)
    monkeypatch.setattr(timing, "SECONDS", 1.0)
    stream = CountingStream()
    found = measure({"a": Contestant(stream.call, stream, stream.turn, most=5, parts=2)})["a"]
    assert (found["device"], found["spread"], found["calls"]) == (0.5, 0, 5)
    assert 0 < found["host"] <= found["wall"] < 0.01
    assert (stream.turns, stream.calls) == (2 + 4, 2 + 4 * 5)


def test_contestants_take_turns():
    order = []
    stream = gpu_timing.HostStream()
    contestants = {name: Contestant(lambda name=name: order.append(name), stream, most=1) for name in "ab"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_timing, "ROUNDS", 2)
        measure(contestants)
    assert "".join(order) == "aabb" + "abab"


# -- what limits a kernel


def test_operations_match_other_benchmarks():
    for cell in bench_gpu.CELLS:
        size = Size(3, 4, 1, 5)
        assert gpu_limits.training(cell, size, True).flops == training_flops(cell, size)
    whole = gpu_limits.backward("lstm", SIZE, True, True).flops
    assert whole == 2 * 12 * 20 * (5 + 7 + 2)


def test_bytes_count_all_arrays_of_a_pass():
    """Numbers of an LSTM: z 20, h 5, c 5, saved 25, and backward 5 for the gradient of the outputs."""
    assert gpu_limits.recurrent_forward("lstm", SIZE, True, True).bytes == 4 * 12 * (20 + 5 + 5 + 25)
    assert gpu_limits.recurrent_forward("lstm", SIZE, False, True).bytes == 4 * 12 * (20 + 5)
    assert gpu_limits.recurrent_backward("lstm", SIZE, True, True).bytes == 4 * 12 * (20 + 5 + 5 + 25 + 5)
    assert gpu_limits.recurrent_forward("lstm", SIZE, False, False).bytes == 4 * 12 * (3 * 20 + 5 + 15)


def test_scarce_resource_of_a_kernel_is_reported():
    shape = KernelShape(find_cell("lstm"), np.dtype("float32"), 64, 4, 64)
    compiled = {"registers": 146, "local": 0}
    facts = gpu_limits.describe_kernel(shape, 10240, Size(512, 96, 16, 64), compiled, GPU)
    assert facts["a processor"] == {"threads": 8, "blocks": 32, "shared memory": 20, "registers": 1}
    assert (facts["blocks"], facts["threads"], facts["wavefronts"]) == (128, 256, 8 * 4 * 16)
    row = {
        "what": "recurrent forward",
        "cell": "lstm",
        "hidden": 64,
        "batch": 512,
        "steps": 96,
        "kernel": facts,
    }
    row |= {"seconds": {"seqcast": {"device": 1e-3}}, "flops": 4 * 10**5, "bytes": 10**5}
    (line,) = gpu_limits.table([REACHED | GPU, row])
    assert line[4:8] == ("10.4", "4", "128", "10 (registers)")
    assert line[10:] == ("0.40", "0.10", "0.63", "shared memory")
    assert gpu_limits.name_limit({"arithmetic": 0.4, "bandwidth": 0.3}) == "latency"


def test_wavefronts_of_weights_in_shared_memory():
    shape = KernelShape(find_cell("lstm"), np.dtype("float32"), 128, 2, 64)
    assert gpu_limits.count_wavefronts(shape) == 16 * (2 * 32 + 64)


# -- what surrounds the kernels


def test_fits_are_timed_on_both_devices(monkeypatch):
    monkeypatch.setattr(gpu_costs, "_make_fits", lambda *_: {"fit": lambda device: None})
    (row,) = gpu_costs.measure_fits(64)
    assert row["what"] == "fit, H 64"
    assert row["seconds"].keys() == {"cuda", "cpu"}
    row["seconds"] = {"cuda": 0.5, "cpu": 2.0}
    assert gpu_costs.table([row]) == [("fit, H 64", "0.50 s", "2.00 s", "4.00x")]


def test_timed_fits_run_three_epochs():
    for fit in gpu_costs._make_fits(2, 60, 4).values():
        with pytest.warns(UserWarning, match="max_iter"):
            assert fit("cpu").n_iter_ == 3


def test_first_fits_share_an_initially_empty_cache(monkeypatch):
    folders = []

    def checked(*arguments, SEQCAST_CACHE_DIR):
        compile(arguments[1], "", "exec")
        folders.append((SEQCAST_CACHE_DIR, list(Path(SEQCAST_CACHE_DIR).iterdir())))
        return type("Process", (), {"stdout": "1.5\n"})

    monkeypatch.setattr(gpu_costs.fresh_process, "run_python", checked)
    rows = list(gpu_costs.measure_first_fits())
    assert [row["seconds"] for row in rows] == [{"cuda": 1.5}] * 2
    assert folders[0] == folders[1] == (folders[0][0], [])
