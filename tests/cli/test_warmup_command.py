"""The command warmup. The compilation itself is tested with seqcast.learning.warmup."""

from command_line import run_command

from seqcast.kernels.cpu import cache
from seqcast.learning import warmup


def test_warmup_compiles_the_given_cells(capsys, monkeypatch):
    calls = []

    def compile_quickly(cells, dtypes, report):
        calls.append((cells, dtypes))
        report("gru", "float64", 1.25)

    monkeypatch.setattr(warmup, "warm_up", compile_quickly)
    code, out, err = run_command(capsys, "warmup", "--cell", "gru", "--dtype", "float64")
    assert (code, err) == (0, "")
    assert calls == [(["gru"], ["float64"])]
    first, second = out.splitlines()
    assert first.startswith("gru     float64, 1.")
    assert second.startswith(f"cache   {cache.cache_directory()}: ")
    run_command(capsys, "warmup")
    assert calls[1] == (("rnn", "lstm", "gru"), ("float32",))


def test_warmup_without_a_cache_directory_raises(capsys, monkeypatch):
    monkeypatch.setattr(cache, "is_writable", lambda: False)
    code, out, err = run_command(capsys, "warmup")
    assert (code, out) == (2, "")
    assert err.endswith("no cache directory is writable. Set SEQCAST_CACHE_DIR to one\n")
