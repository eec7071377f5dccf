"""The shape of the house, read from the source with `ast` and seen by importing it afresh."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from token import NAME
from tokenize import tokenize

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSES = ("convoy", "scenarios", "simulator", "bench")
RISING = (
    "terminal",
    "foreign",
    "errors",
    "secrets",
    "files",
    "settings",
    "plan",
    "routes",
    "results",
    "remote",
    "engine",
    "prepare",
    "swarm",
    "afterwards",
    "plugin",
    "cli",
    "__main__",
)
"""The packages of `convoy`; each may import those before it only."""
PURE = {
    "plan": {"convoy.errors", "convoy.foreign", "convoy.plan"},
    "routes": {"convoy.errors", "convoy.foreign", "convoy.plan", "convoy.routes"},
    "results": {
        "convoy.errors",
        "convoy.foreign",
        "convoy.files",
        "convoy.plan",
        "convoy.routes",
        "convoy.results",
    },
}
"""The packages that know no clock, socket, environment or chance, and what of ours they may use."""
PURE_LIBRARIES = {"jinja2", "jsonschema", "msgspec", "rich", "yaml"}
IMPURE_MODULES = {
    "asyncio",
    "concurrent",
    "http",
    "multiprocessing",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
    "uuid",
}
CLOCK_CALLS = {"now", "today", "utcnow"}
LONGEST_MODULE = 400
LONGEST_LOCUSTFILE = 40
RETIRED = {"actor", "actors", "allotment", "conductor", "coordinator", "participant", "seat"}
"""Words that once named parts of Convoy; `docs/glossary.md` has the ones that took their place."""
OF_THE_API = {
    "PARTICIPANT",
    "Participant",
    "_Participant",
    "_UPDATE_PARTICIPANT",
    "_media_participant",
    "_participant",
    "_with_participant",
    "by_participant",
    "has_participant",
    "is_participant",
    "participant",
    "participant_id",
    "update_participant",
}
"""Names of the API's own participants of a conversation."""
HOMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


def sources(*places: str) -> list[Path]:
    """Return the Python files of packages or of single files, as far as they exist."""
    found: list[Path] = []
    for place in places:
        path = ROOT / place
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path] * path.is_file()
    return found


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports_of(path: Path, *, only_at_import: bool = False) -> Iterator[str]:
    """Yield the full names of what a module imports: modules, and `module.name` of each name."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in _statements(tree_of(path)) if only_at_import else ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported: not functions, nor what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _statements(child)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def package_of(module: str) -> str:
    """Return the package or module right below `convoy` that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


LIBRARY = sources("convoy")
EVERYTHING = sources(*HOUSES, "locustfile.py")
PURE_SOURCES = sources(*(f"convoy/{name}" for name in PURE))


@pytest.mark.parametrize("path", LIBRARY, ids=ids)
def test_packages_import_only_packages_above_them(path: Path) -> None:
    own = package_of(module_name(path))

    used = {package_of(name) for name in imports_of(path) if is_within(name, "convoy")}

    assert not own or own in RISING, f"{own} has no place in the order of packages"
    allowed = {*RISING[: RISING.index(own) + 1]} if own else set()
    assert used - {""} <= allowed


@pytest.mark.parametrize("path", PURE_SOURCES, ids=ids)
def test_pure_packages_import_no_clock_no_socket_no_environment(path: Path) -> None:
    own = PURE[package_of(module_name(path))]

    for name in imports_of(path):
        is_ours = any(is_within(name, allowed) for allowed in own)
        top = name.split(".")[0]
        assert is_ours or top in PURE_LIBRARIES or top in sys.stdlib_module_names, name
        assert not any(is_within(name, impure) for impure in IMPURE_MODULES), name


@pytest.mark.parametrize("path", PURE_SOURCES, ids=ids)
def test_pure_packages_ask_no_clock_and_no_global_chance(path: Path) -> None:
    used = {name for name in imports_of(path) if is_within(name, "random")}

    attributes = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)]

    assert used <= {"random", "random.Random"}
    for node in attributes:
        assert node.attr not in CLOCK_CALLS, f"line {node.lineno}: {node.attr} reads a clock"
        if isinstance(node.value, ast.Name) and node.value.id == "random":
            assert node.attr == "Random", f"line {node.lineno}: random.{node.attr} is global"


def test_what_draws_the_live_view_is_imported_only_where_it_is_shown() -> None:
    drawing = "convoy.results.reports.live"

    using_rich = [
        module_name(path)
        for path in EVERYTHING
        if any(is_within(name, "rich") for name in imports_of(path))
    ]
    using_it_always = [
        module_name(path)
        for path in EVERYTHING
        if any(is_within(name, drawing) for name in imports_of(path, only_at_import=True))
    ]

    assert (using_rich, using_it_always) == ([drawing], [])


@pytest.mark.parametrize("path", EVERYTHING, ids=ids)
def test_only_the_plugin_the_command_line_and_locustfiles_import_locust(path: Path) -> None:
    name = module_name(path)
    places = ("convoy.plugin", "convoy.cli", "scenarios", "bench.locustfiles")
    may_use_it = any(is_within(name, place) for place in places)

    uses_it = any(is_within(used, "locust") for used in imports_of(path))

    assert may_use_it or name == "locustfile" or not uses_it


@pytest.mark.parametrize("path", EVERYTHING, ids=ids)
def test_simulator_and_convoy_share_no_code(path: Path) -> None:
    strangers = {"simulator": ("convoy", "scenarios", "locustfile")}
    forbidden = strangers.get(module_name(path).split(".")[0], ("simulator",))

    for used in imports_of(path):
        assert not any(is_within(used, package) for package in forbidden), used


@pytest.mark.parametrize("path", LIBRARY, ids=ids)
def test_the_library_knows_neither_scenarios_nor_tests(path: Path) -> None:
    for used in imports_of(path):
        assert used.split(".")[0] not in {"scenarios", "locustfile", "bench", "tests"}, used


@pytest.mark.parametrize("path", EVERYTHING, ids=ids)
def test_only_entry_files_take_the_environment_to_hand_it_down(path: Path) -> None:
    is_entry = path.name in {"locustfile.py", "__main__.py"}

    used = {name for name in imports_of(path) if is_within(name, "os")}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.add(f"{node.value.id}.{node.attr}")

    assert is_entry or not used & {"os.environ", "os.environb", "os.getenv", "os.getenvb"}


def test_there_are_no_import_cycles() -> None:
    modules = {module_name(path): path for path in EVERYTHING}
    graph = {name: _modules_imported(path, modules) - {name} for name, path in modules.items()}

    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")

    assert len(order) == len(modules)


def _modules_imported(path: Path, modules: dict[str, Path]) -> set[str]:
    """Return the modules named in a module's imports; `package.name` may be either of the two."""
    found: set[str] = set()
    for name in imports_of(path, only_at_import=True):
        parent = name.rpartition(".")[0]
        found |= {name} & modules.keys() or {parent} & modules.keys()
    return found


def test_importing_a_module_does_nothing() -> None:
    names = [module_name(path) for path in LIBRARY + sources("simulator")]
    watched = [name for name in names if not name.endswith("__main__")]

    watch = subprocess.run(
        [sys.executable, "-c", WATCH, *watched],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert watch.returncode == 0, watch.stderr
    assert watch.stdout == ""


@pytest.mark.parametrize("path", EVERYTHING, ids=ids)
def test_modules_register_no_listeners_at_import(path: Path) -> None:
    for node in _statements(tree_of(path)):
        is_listener = isinstance(node, ast.Attribute) and node.attr == "add_listener"

        assert not is_listener, f"line {getattr(node, 'lineno', 0)}"
        for decorator in getattr(node, "decorator_list", []):
            assert ".events" not in ast.unparse(decorator)


@pytest.mark.parametrize("path", EVERYTHING, ids=ids)
def test_modules_say_what_they_are_and_stay_readable(path: Path) -> None:
    length = len(path.read_text(encoding="utf-8").splitlines())

    assert ast.get_docstring(tree_of(path)), "a module begins with a sentence on what it is"
    assert path.stem not in HOMELESS, "what a module is about is its name"
    assert length <= LONGEST_MODULE


def test_the_locustfile_is_a_list_of_what_runs() -> None:
    for path in sources("locustfile.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_LOCUSTFILE


@pytest.mark.parametrize("path", EVERYTHING, ids=ids)
def test_retired_words_name_nothing(path: Path) -> None:
    for name in identifiers_of(path):
        words = set(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
        retired = {word.lower() for word in words} & RETIRED

        assert not retired or name in OF_THE_API, f"{name} holds {', '.join(retired)}"
        assert "RunOrder" not in name


def identifiers_of(path: Path) -> set[str]:
    """Return every name in a module's source, and the parts of the module's own."""
    with path.open("rb") as file:
        names = {token.string for token in tokenize(file.readline) if token.type == NAME}
    return names | {*path.relative_to(ROOT).with_suffix("").parts}


WATCH = """
import importlib
import sys

for library in ("locust", "gevent", "httptools", "jinja2", "msgspec",
                "pydantic", "requests", "rich.console", "uvicorn", "yaml"):
    try:
        importlib.import_module(library)
    except ImportError:
        pass

WATCHED = {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo",
               "subprocess.Popen", "os.system", "os.mkdir", "os.remove", "os.rename",
               "os.fork", "os.putenv", "_thread.start_new_thread"}
watching = False

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    is_cache = event == "open" and "__pycache__" in str(arguments[0])
    if watching and (event in WATCHED or (writes and not is_cache)):
        raise RuntimeError(f"importing did {event} {arguments!r}")

sys.addaudithook(watch)
sys.dont_write_bytecode = True
for name in sys.argv[1:]:
    watching = True
    importlib.import_module(name)
    watching = False
"""
"""Imports the modules named as arguments; fails if that touches more than their source."""
