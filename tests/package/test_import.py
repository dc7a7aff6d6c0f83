"""The package as a whole: side effects of its import, its public names, and their docstrings."""

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

# Statements that a new process executes in this order, and optional packages that are hidden before each.
STAGES = {
    "import": ("import seqcast", []),
    "forecasters without a network": (
        "from seqcast import LinearForecaster, NaiveForecaster\n"
        "for kind in (LinearForecaster, NaiveForecaster):\n"
        "    kind(2).fit([float(n % 5) for n in range(60)]).forecast(3, level=50)",
        [],
    ),
    "all names": ("from seqcast import *", ["matplotlib", "tqdm"]),
}

# Executes the stages. After each, records the imported modules, and what was written, started and defined.
RECORDER = """
import json, logging, sys, threading
before, written, records = set(sys.modules), [], dict()

def watch(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        written.append(str(args[0]))
    elif event in ("os.mkdir", "os.rename", "socket.connect"):
        written.append(event)

sys.addaudithook(watch)
for stage, (statement, hidden) in {stages!r}.items():
    for name in hidden:
        sys.modules[name] = None
    exec(statement, globals())
    loggers = [logging.getLogger()]
    loggers += [log for name, log in logging.Logger.manager.loggerDict.items() if name.startswith("seqcast")]
    records[stage] = dict(
        modules=sorted(name for name in set(sys.modules) - before if sys.modules[name] is not None),
        written=list(written),
        threads=threading.active_count(),
        handlers=[str(handler) for log in loggers for handler in getattr(log, "handlers", ())],
        names=sorted(globals()),
    )
print(json.dumps(records))
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return what each stage did in a new process, and the files that all of them left."""
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RECORDER.format(stages=STAGES)],
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


def test_import_loads_no_other_package(records):
    modules = records["import"]["modules"]
    assert [name for name in modules if name.startswith("seqcast")] == ["seqcast"]
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
    assert not heavy & set(modules)


def test_forecasters_without_a_network_do_not_load_numba(records):
    """Loading numba takes half a second."""
    modules = records["forecasters without a network"]["modules"]
    assert "seqcast.estimators.linear_forecaster" in modules
    assert not {"numba", "llvmlite", "matplotlib"} & set(modules)


# Prints the packages that a fit, a pickle and forecasts import beyond what users import for them anyway.
NETWORKS = """
import contextlib, pickle, sys, warnings
warnings.simplefilter("ignore")
import numba, numpy as np, pandas, sklearn.base
with contextlib.suppress(ImportError):
    import sklearn.callback
before = {name.partition(".")[0] for name in sys.modules}
from seqcast import SeqForecaster, SeqRegressor
X = np.random.RandomState(0).normal(size=(60, 6))
model = pickle.loads(pickle.dumps(SeqRegressor(hidden_size=4, max_iter=1, random_state=0).fit(X, X[:, 0])))
model.predict(X)
SeqForecaster(2, 6, hidden_size=4, max_iter=1, random_state=0).fit(X[:, 0]).forecast()
packages = {name.partition(".")[0] for name in sys.modules}
print(*sorted(packages - before - set(sys.stdlib_module_names)))
"""


def test_networks_load_no_other_package():
    """tests/check_wheel.py checks that the kernels of a wheel do without numba, too."""
    done = subprocess.run([sys.executable, "-c", NETWORKS], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    # pandas loads pyarrow where it is installed.
    assert set(done.stdout.split()) - {"pyarrow"} == {"seqcast"}


@pytest.mark.parametrize("stage", STAGES)
def test_import_starts_no_threads_and_writes_no_files(stage, records):
    record = records[stage]
    assert (record["threads"], record["handlers"], record["written"]) == (1, [], [])
    assert records["files"] == []


def test_all_names_can_be_imported_without_optional_packages(records):
    assert set(PUBLIC) <= set(records["all names"]["names"])


def test_dir_lists_the_public_names():
    assert dir(seqcast) == sorted(seqcast.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_the_name_of_its_object(name):
    thing = getattr(seqcast, name)
    assert name == "__version__" or thing.__name__.removeprefix("seqcast.") == name
    assert thing is getattr(seqcast, name)


def test_version_has_three_numbers():
    assert re.fullmatch(r"\d+\.\d+\.\d+([a-z]+\d+)?", seqcast.__version__)


def test_unknown_names_raise_the_errors_of_python():
    with pytest.raises(AttributeError, match=r"^module 'seqcast' has no attribute 'SeqForecast'$"):
        seqcast.SeqForecast  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'SeqForecast' from 'seqcast'"):
        exec("from seqcast import SeqForecast")


# -- docstrings


def iterate_functions(owner, thing):
    """Yield a function, or the public methods and properties of a class, each with its dotted name."""
    if not inspect.isclass(thing):
        yield f"{owner}.{thing.__name__}", thing
        return
    for name, member in inspect.getmembers(thing):
        member = member.fget if isinstance(member, property) else member
        own = isinstance(member, types.FunctionType) and member.__module__.startswith("seqcast")
        if own and not name.startswith("_"):
            yield f"{owner}.{thing.__name__}.{name}", member


MODULES = {
    "seqcast": [thing for thing in (getattr(seqcast, name) for name in PUBLIC) if callable(thing)],
    "seqcast.datasets": [getattr(datasets, name) for name in datasets.__all__],
    "seqcast.evaluation.metrics": [getattr(metrics, name) for name in metrics.__all__],
    "seqcast.evaluation.backtest": [getattr(evaluation, name) for name in evaluation.__all__],
}
FUNCTIONS = dict(
    pair
    for module, things in MODULES.items()
    for thing in things
    for pair in iterate_functions(module, thing)
)
CLASSES = {
    thing.__name__: thing
    for thing in MODULES["seqcast"]
    if inspect.isclass(thing) and not issubclass(thing, Exception)
}


def split_sections(doc):
    """Return the text of each numpydoc section by its title. The text before the first has the title ""."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(doc), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def list_names(text):
    """Return the names that a section of parameters describes, which are on its lines without indentation."""
    heads = re.findall(r"^(\S.*?)(?: : .*)?$", text, flags=re.MULTILINE)
    return [name.strip("*") for head in heads for name in head.split(", ")]


def list_parameters(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_reader_of_docstrings_finds_sections_and_names():
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
    assert split_sections(doc)[""] == "One line.\n\n"
    assert list_names(split_sections(doc)["Parameters"]) == ["a", "b", "rest"]
    assert "Returns" in split_sections(doc)


def test_search_for_functions_finds_public_functions():
    assert len(FUNCTIONS) >= 20
    for name in (
        "seqcast.SeqForecaster.forecast",
        "seqcast.Recurrent.backward",
        "seqcast.datasets.load_weather",
    ):
        assert name in FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_describes_all_parameters_and_the_result(name):
    function = FUNCTIONS[name]
    found = split_sections(function.__doc__)
    assert re.match(r"[A-Z`].*\.$", found[""].split("\n")[0]), "the first line must be a sentence"
    assert list_names(found.get("Parameters", "")) == list_parameters(function)
    is_property = name.rpartition(".")[0].rpartition(".")[2] in CLASSES and not list_parameters(function)
    if inspect.signature(function).return_annotation not in (None, "None") and not is_property:
        assert "Returns" in found


@pytest.mark.parametrize("name", CLASSES)
def test_class_docstring_describes_all_parameters(name):
    found = split_sections(CLASSES[name].__doc__)
    assert re.match(r"[A-Z`].*\.$", found[""].split("\n")[0]), "the first line must be a sentence"
    assert list_names(found["Parameters"]) == list_parameters(CLASSES[name])


ESTIMATORS = [name for name, thing in CLASSES.items() if issubclass(thing, BaseEstimator)]


def test_search_for_estimators_finds_all_of_them():
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
def test_docstring_states_the_default_of_each_parameter(name):
    found = split_sections(CLASSES[name].__doc__)
    for parameter, definition in inspect.signature(CLASSES[name]).parameters.items():
        head = re.search(rf"^(?:.*, )?{parameter}(?:, .*)? : (.*)$", found["Parameters"], flags=re.MULTILINE)
        default = definition.default
        if default is not inspect.Parameter.empty and "default=" in head[1]:
            documented = head[1].split("default=")[1].strip()
            assert documented == repr(default).replace("'", '"') or float(documented) == default


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_docstring_describes_all_fitted_attributes(name):
    estimator, found = CLASSES[name], split_sections(CLASSES[name].__doc__)
    frame = pd.DataFrame({"a": np.arange(40.0) % 5, "b": np.arange(40.0) % 3})
    small = {"hidden_size": 1, "max_iter": 1} if hasattr(estimator, "weights_") else {}
    model = estimator(**small).fit(frame, frame["a"])
    fitted = {key for key in vars(model) if key.endswith("_") and not key.startswith("_")}
    properties = {name for name in ("weights_", "models_") if hasattr(estimator, name)}
    if estimator is seqcast.NaiveForecaster:
        # It has no local models.
        properties.remove("models_")
    assert set(list_names(found["Attributes"])) == fitted | properties


EXAMPLES = [
    test
    for module, things in MODULES.items()
    for thing in things
    for test in doctest.DocTestFinder().find(thing, f"{module}.{thing.__name__}")
    if test.examples
]


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_docstring_example_prints_the_shown_output(example, monkeypatch):
    # one example registers a cell
    monkeypatch.setattr(cells, "_registry", cells._registry.copy())
    printed = []
    assert doctest.DocTestRunner().run(example, out=printed.append).failed == 0, "".join(printed)


@pytest.mark.parametrize("name", [*ESTIMATORS, "PanelTimeSeriesSplit"])
def test_class_docstring_has_an_example(name):
    assert f"seqcast.{name}" in {example.name for example in EXAMPLES}


def test_errors_are_listed_in_the_docstring_of_their_module():
    for name, error in vars(exceptions).items():
        if inspect.isclass(error) and error.__module__ == exceptions.__name__:
            assert name in exceptions.__doc__
            assert error.__doc__.endswith(".")
            assert issubclass(error, exceptions.SeqcastError)
