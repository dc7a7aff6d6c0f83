"""The package as a whole: what importing it does and does not do, its public names and their docstrings."""

import doctest
import inspect
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

import seqcast
from seqcast import cells, datasets, exceptions
from seqcast.evaluation import backtest as evaluation
from seqcast.evaluation import metrics

PUBLIC = [
    "BacktestDisplay",
    "Cell",
    "ForecastDisplay",
    "Gate",
    "LeakError",
    "LinearForecaster",
    "NaiveForecaster",
    "PanelTimeSeriesSplit",
    "Recurrent",
    "SeqClassifier",
    "SeqEncoder",
    "SeqForecaster",
    "SeqRegressor",
    "TrainingDivergedError",
    "WindowTransformer",
    "__version__",
    "backtest",
    "check_cell",
    "check_no_leak",
    "datasets",
    "evaluation",
    "exceptions",
    "make_forecast_scorer",
    "pad_sequences",
    "permutation_importance",
    "plot_backtest",
    "plot_forecast",
    "register_cell",
    "summarize",
]

# Runs one statement and tells what it did to the process and the disk.
WATCH = """
import json, logging, sys, threading
for name in {blocked!r}:
    sys.modules[name] = None
before, written = set(sys.modules), []

def watch(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        written.append(str(args[0]))
    elif event in ("os.mkdir", "os.rename", "socket.connect"):
        written.append(event)

sys.addaudithook(watch)
{statement}
print(json.dumps(dict(
    modules=sorted(name for name in set(sys.modules) - before if sys.modules[name] is not None),
    written=written,
    threads=threading.active_count(),
    handlers=[str(handler) for handler in logging.getLogger().handlers]
    + [str(h) for name, log in logging.Logger.manager.loggerDict.items()
       if name.startswith("seqcast") for h in getattr(log, "handlers", ())],
    names=sorted(globals()),
)))
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Run a statement in a new process and return what it did."""
    home = tmp_path_factory.mktemp("home")

    def run(statement, blocked=()):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", WATCH.format(statement=statement, blocked=blocked)],
            env=os.environ
            | {
                "PYTHONPATH": str(Path(seqcast.__file__).parents[1]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "HOME": str(home),
                "SEQCAST_CACHE_DIR": str(home / "kernels"),
            },
            capture_output=True,
            text=True,
            cwd=home,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout) | {"files": [str(path) for path in home.rglob("*")]}

    return run


@pytest.fixture(scope="module")
def imported(watched):
    return watched("import seqcast")


@pytest.fixture(scope="module")
def all_imported(watched):
    """Every public name, on a machine without the optional packages."""
    return watched("from seqcast import *", blocked=["matplotlib", "tqdm"])


def test_import_loads_nothing_heavy(imported):
    assert [name for name in imported["modules"] if name.startswith("seqcast")] == ["seqcast"]
    heavy = {
        "numba",
        "llvmlite",
        "numpy",
        "pandas",
        "sklearn",
        "scipy",
        "joblib",
        "matplotlib",
        "tqdm",
        "logging",
    }
    assert not heavy & set(imported["modules"])


def test_forecasters_without_a_network_need_no_compiler(watched):
    """numba takes half a second to load."""
    done = watched(
        "from seqcast import LinearForecaster, NaiveForecaster\n"
        "for kind in (LinearForecaster, NaiveForecaster):\n"
        "    kind(2).fit([float(n % 5) for n in range(60)]).forecast(3, level=50)"
    )
    assert not {"numba", "llvmlite", "matplotlib"} & set(done["modules"])


@pytest.mark.parametrize("how", ["imported", "all_imported"])
def test_import_starts_nothing_and_writes_nothing(how, request):
    done = request.getfixturevalue(how)
    assert (done["threads"], done["handlers"], done["written"], done["files"]) == (1, [], [], [])


def test_every_public_name_comes_without_the_optional_packages(all_imported):
    assert set(PUBLIC) <= set(all_imported["names"])


def test_dir_lists_the_public_names():
    assert dir(seqcast) == sorted(seqcast.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_what_they_say(name):
    thing = getattr(seqcast, name)
    assert name == "__version__" or thing.__name__.removeprefix("seqcast.") == name
    assert thing is getattr(seqcast, name)


def test_version_is_a_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+([a-z]+\d+)?", seqcast.__version__)


def test_unknown_names_are_told():
    with pytest.raises(AttributeError, match=r"^module 'seqcast' has no attribute 'SeqForecast'$"):
        seqcast.SeqForecast  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'SeqForecast' from 'seqcast'"):
        exec("from seqcast import SeqForecast")


# -- docstrings


def functions_of(owner, thing):
    """A public function, or a class's own public methods and properties, each with its dotted name."""
    if not inspect.isclass(thing):
        yield f"{owner}.{thing.__name__}", thing
        return
    for name, member in inspect.getmembers(thing):
        member = member.fget if isinstance(member, property) else member
        own = isinstance(member, types.FunctionType) and member.__module__.startswith("seqcast")
        if own and not name.startswith("_"):
            yield f"{owner}.{thing.__name__}.{name}", member


HOMES = {
    "seqcast": [thing for thing in (getattr(seqcast, name) for name in PUBLIC) if callable(thing)],
    "seqcast.datasets": [getattr(datasets, name) for name in datasets.__all__],
    "seqcast.evaluation.metrics": [getattr(metrics, name) for name in metrics.__all__],
    "seqcast.evaluation.backtest": [getattr(evaluation, name) for name in evaluation.__all__],
}
FUNCTIONS = dict(
    pair for home, things in HOMES.items() for thing in things for pair in functions_of(home, thing)
)
CLASSES = {
    thing.__name__: thing
    for thing in HOMES["seqcast"]
    if inspect.isclass(thing) and not issubclass(thing, Exception)
}


def sections(doc):
    """Title -> text of each numpydoc section; "" -> what stands before the first."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(doc), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(text):
    """Names that a section of parameters explains: those of its lines that are not indented."""
    heads = re.findall(r"^(\S.*?)(?: : .*)?$", text, flags=re.MULTILINE)
    return [name.strip("*") for head in heads for name in head.split(", ")]


def parameters_of(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_docstrings_are_read_right():
    """Of the reader of docstrings itself."""
    doc = """One line.

    Parameters
    ----------
    a, b : int
        Text: with colon.
    **rest
        More.

    Returns
    -------
    float
    """
    assert sections(doc)[""] == "One line.\n\n"
    assert entries(sections(doc)["Parameters"]) == ["a", "b", "rest"]
    assert "Returns" in sections(doc)


def test_the_walk_finds_what_users_call():
    assert len(FUNCTIONS) >= 20
    for name in (
        "seqcast.SeqForecaster.forecast",
        "seqcast.Recurrent.backward",
        "seqcast.datasets.load_weather",
    ):
        assert name in FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_names_every_parameter_and_what_comes_back(name):
    function = FUNCTIONS[name]
    found = sections(function.__doc__)
    assert re.match(r"[A-Z`].*\.$", found[""].split("\n")[0]), "the first line is a sentence"
    assert entries(found.get("Parameters", "")) == parameters_of(function)
    is_property = name.rpartition(".")[0].rpartition(".")[2] in CLASSES and not parameters_of(function)
    if inspect.signature(function).return_annotation not in (None, "None") and not is_property:
        assert "Returns" in found


@pytest.mark.parametrize("name", CLASSES)
def test_docstring_of_a_class_names_every_parameter(name):
    found = sections(CLASSES[name].__doc__)
    assert re.match(r"[A-Z`].*\.$", found[""].split("\n")[0]), "the first line is a sentence"
    assert entries(found["Parameters"]) == parameters_of(CLASSES[name])


ESTIMATORS = [name for name, thing in CLASSES.items() if issubclass(thing, BaseEstimator)]


def test_the_walk_finds_the_estimators():
    assert ESTIMATORS == [
        "LinearForecaster",
        "NaiveForecaster",
        "SeqClassifier",
        "SeqEncoder",
        "SeqForecaster",
        "SeqRegressor",
        "WindowTransformer",
    ]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_docstring_tells_the_default_of_each_parameter(name):
    found = sections(CLASSES[name].__doc__)
    for parameter, of in inspect.signature(CLASSES[name]).parameters.items():
        head = re.search(rf"^(?:.*, )?{parameter}(?:, .*)? : (.*)$", found["Parameters"], flags=re.MULTILINE)
        if of.default is not inspect.Parameter.empty and "default=" in head[1]:
            told = head[1].split("default=")[1].strip()
            assert told == repr(of.default).replace("'", '"') or float(told) == of.default


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_docstring_names_every_fitted_attribute(name):
    estimator, found = CLASSES[name], sections(CLASSES[name].__doc__)
    rows = pd.DataFrame({"a": np.arange(40.0) % 5, "b": np.arange(40.0) % 3})
    small = {"hidden_size": 1, "max_iter": 1} if hasattr(estimator, "weights_") else {}
    model = estimator(**small).fit(rows, rows["a"])
    fitted = {key for key in vars(model) if key.endswith("_") and not key.startswith("_")}
    assert set(entries(found["Attributes"])) == fitted | ({"weights_"} if small else set())


EXAMPLES = [
    test
    for home, things in HOMES.items()
    for thing in things
    for test in doctest.DocTestFinder().find(thing, f"{home}.{thing.__name__}")
    if test.examples
]


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples_in_docstrings_show_what_they_print(example, monkeypatch):
    monkeypatch.setattr(cells, "_registry", cells._registry.copy())  # where one registers a cell
    printed = []
    assert doctest.DocTestRunner().run(example, out=printed.append).failed == 0, "".join(printed)


@pytest.mark.parametrize("name", [*ESTIMATORS, "PanelTimeSeriesSplit"])
def test_docstring_of_a_class_shows_an_example(name):
    assert f"seqcast.{name}" in {example.name for example in EXAMPLES}


def test_errors_stand_in_the_tree_of_their_module():
    for name, error in vars(exceptions).items():
        if inspect.isclass(error) and error.__module__ == exceptions.__name__:
            assert name in exceptions.__doc__
            assert error.__doc__.endswith(".")
            assert issubclass(error, exceptions.SeqcastError)
