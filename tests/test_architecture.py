"""The shape of the house, read from the source with `ast` and seen by importing it afresh."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSES = ("convoy", "scenarios", "simulator", "bench")
RISING = (
    "clock",
    "terminal",
    "untrusted_text",
    "redaction",
    "errors",
    "secrets",
    "files",
    "plan",
    "settings",
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
    "plan": {"convoy.errors", "convoy.untrusted_text", "convoy.plan"},
    "routes": {"convoy.errors", "convoy.untrusted_text", "convoy.plan", "convoy.routes"},
    "results": {
        "convoy.errors",
        "convoy.untrusted_text",
        "convoy.files",
        "convoy.plan",
        "convoy.routes",
        "convoy.results",
        "convoy.settings.documents",
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
OTHER_CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
"""Those of `time` that stand still on Linux while the machine is suspended."""
LONGEST_MODULE = 400
LONGEST_LOCUSTFILE = 40
RETIRED = {
    *("actor", "actors", "allotment", "allotments", "conductor", "coordinator", "participant"),
    "seat",
}
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
    "is_participant",
    "participant",
    "participant_id",
    "update_participant",
}
"""Names of the API's own participants of a conversation."""
HOMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


@dataclass(frozen=True, slots=True)
class Module:
    """What the rules ask of a source file.

    `imports` and `imported_first`, which is what an import of it imports, are full names: modules,
    and `module.name` of each name. `attributes` are texts such as `random.choice`, each with its
    line, `listeners` are the lines that register one at import, and `cuts` those that show the
    beginning of a text within another.
    """

    path: Path
    name: str
    length: int
    has_docstring: bool
    imports: frozenset[str]
    imported_first: frozenset[str]
    identifiers: frozenset[str]
    attributes: frozenset[tuple[str, int]]
    listeners: frozenset[str]
    cuts: frozenset[str]

    @property
    def package(self) -> str:
        """The package or module right below `convoy` that it belongs to."""
        return self.name.split(".")[1] if "." in self.name else ""

    def importing(self, *packages: str) -> set[str]:
        """Return what it imports of these packages."""
        return {name for name in self.imports if is_within(name, packages)}


def modules(*places: str) -> list[Module]:
    """Return what is in packages or single files, as far as they exist."""
    found: list[Path] = []
    for place in places:
        path = ROOT / place
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path] * path.is_file()
    return [read(path) for path in found]


@cache  # and not the trees, which take a hundred times as much memory
def read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    parent = list(parts[:-1])
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(path))
    nodes, first = list(ast.walk(tree)), list(statements(tree))
    named = {getattr(node, field, None) for node in nodes for field in NAMING}
    return Module(
        path=path,
        name=".".join(parent if is_package else parts),
        length=len(text.splitlines()),
        has_docstring=bool(ast.get_docstring(tree)),
        imports=frozenset(imports_of(nodes, parent)),
        imported_first=frozenset(imports_of(first, parent)),
        identifiers=frozenset({*parts, *filter(None, named)}),
        attributes=frozenset(
            (
                f"{node.value.id if isinstance(node.value, ast.Name) else ''}.{node.attr}",
                node.lineno,
            )
            for node in nodes
            if isinstance(node, ast.Attribute)
        ),
        listeners=frozenset(
            f"line {node.lineno}"
            for node in first
            if (isinstance(node, ast.Attribute) and node.attr == "add_listener")
            or any("events." in ast.unparse(each) for each in getattr(node, "decorator_list", []))
        ),
        cuts=frozenset(cuts_in(nodes)),
    )


NAMING = ("id", "attr", "arg", "name", "asname", "module")
"""Where a node of a syntax tree has an identifier."""


def imports_of(nodes: list[ast.AST], parent: list[str]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parent[: len(parent) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def cuts_in(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield the lines with a slice in a formatted string, in quotes or before an ellipsis."""
    for node in nodes:
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for each, following in zip_longest(parts, parts[1:]):
            value = getattr(each, "value", None)
            if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
                is_cut = isinstance(following, ast.Constant) and str(following.value)[:1] == "…"
                if is_cut or getattr(each, "conversion", None) == ord("r"):
                    yield f"line {value.lineno}"


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported: not functions, nor what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from statements(child)


def is_within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offenders(found: Iterable[tuple[Module, Iterable[str]]]) -> dict[str, list[str]]:
    """Return each module that breaks a rule, with what breaks it."""
    return {module.name: sorted(what) for module, each in found if (what := [*each])}


def everything() -> list[Module]:
    return modules(*HOUSES, "locustfile.py")


def pure() -> list[Module]:
    return modules(*(f"convoy/{name}" for name in PURE))


def test_packages_import_only_packages_above_them() -> None:
    allowed = {own: {"", *RISING[: rank + 1]} for rank, own in enumerate(RISING)} | {"": {""}}
    library = modules("convoy")

    used = {
        module.name: {name.split(".")[1] if "." in name else "" for name in ours}
        for module in library
        if (ours := module.importing("convoy"))
    }

    assert {module.package for module in library} <= {*allowed}, "a package without a place"
    assert offenders((m, used.get(m.name, set()) - allowed[m.package]) for m in library) == {}


def test_pure_packages_import_no_clock_no_socket_no_environment() -> None:
    def strangers(module: Module) -> Iterator[str]:
        own = PURE[module.package]
        for name in module.imports:
            top = name.split(".")[0]
            is_known = top in PURE_LIBRARIES or top in sys.stdlib_module_names
            if is_within(name, IMPURE_MODULES) or not (is_known or is_within(name, own)):
                yield name

    assert offenders((module, strangers(module)) for module in pure()) == {}


def test_pure_packages_ask_no_clock_and_no_global_chance() -> None:
    def asking(module: Module) -> Iterator[str]:
        yield from module.importing("random") - {"random", "random.Random"}
        for text, line in module.attributes:
            value, _, attribute = text.partition(".")
            if attribute in CLOCK_CALLS or (value == "random" and attribute != "Random"):
                yield f"{text} in line {line}"

    assert offenders((module, asking(module)) for module in pure()) == {}


def test_moments_are_taken_from_the_clock_that_goes_on_while_the_machine_is_suspended() -> None:
    """A moment by another clock is one of another time, hours away, where it was ever suspended."""
    others = [each for each in modules("convoy", "scenarios") if each.name != "convoy.clock"]

    assert offenders((module, OTHER_CLOCKS & module.identifiers) for module in others) == {}


def test_what_draws_the_live_view_is_imported_only_where_it_is_shown() -> None:
    drawing = "convoy.results.reports.live"

    using_rich = [module.name for module in everything() if module.importing("rich")]
    using_it_always = [
        module.name
        for module in everything()
        if any(is_within(name, [drawing]) for name in module.imported_first)
    ]

    assert (using_rich, using_it_always) == ([drawing], [])


def test_only_the_plugin_the_command_line_and_locustfiles_import_locust() -> None:
    users = ("convoy.plugin", "convoy.cli", "scenarios", "bench.locustfiles", "locustfile")
    others = [module for module in everything() if not is_within(module.name, users)]

    assert offenders((module, module.importing("locust")) for module in others) == {}


def test_simulator_and_convoy_share_no_code() -> None:
    theirs = modules("simulator")
    ours = [module for module in everything() if module not in theirs]

    assert offenders((m, m.importing("simulator")) for m in ours) == {}
    assert offenders((m, m.importing("convoy", "scenarios", "locustfile")) for m in theirs) == {}


def test_the_library_knows_neither_scenarios_nor_tests() -> None:
    users = ("scenarios", "locustfile", "bench", "tests")

    assert offenders((module, module.importing(*users)) for module in modules("convoy")) == {}


def test_only_entry_files_take_the_environment_to_hand_it_down() -> None:
    ways = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
    entries = {"locustfile.py", "__main__.py"}
    others = [module for module in everything() if module.path.name not in entries]

    def taken(module: Module) -> set[str]:
        return ways & (module.imports | {text for text, _ in module.attributes})

    assert offenders((module, taken(module)) for module in others) == {}


def test_there_are_no_import_cycles() -> None:
    names = {module.name for module in everything()}
    graph = {
        module.name: _modules_imported(module, names) - {module.name} for module in everything()
    }

    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")

    assert len(order) == len(names)


def _modules_imported(module: Module, names: set[str]) -> set[str]:
    """Return the modules named in a module's imports; `package.name` may be either of the two."""
    found: set[str] = set()
    for name in module.imported_first:
        found |= {name} & names or {name.rpartition(".")[0]} & names
    return found


def test_importing_a_module_does_nothing() -> None:
    names = [module.name for module in modules("convoy", "simulator")]
    watched = [name for name in names if not name.endswith("__main__")]

    watch = subprocess.run(
        [sys.executable, "-c", WATCH, *watched],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert watch.returncode == 0, watch.stderr
    assert watch.stdout == ""


def test_modules_register_no_listeners_at_import() -> None:
    assert offenders((module, module.listeners) for module in everything()) == {}


def test_modules_say_what_they_are_and_stay_readable() -> None:
    def faults(module: Module) -> Iterator[str]:
        if not module.has_docstring:
            yield "a module begins with a sentence on what it is"
        if module.path.stem in HOMELESS:
            yield "what a module is about is its name"
        if module.length > LONGEST_MODULE:
            yield f"{module.length} lines, where {LONGEST_MODULE} is the most"

    assert offenders((module, faults(module)) for module in everything()) == {}


def test_nobody_but_untrusted_text_cuts_a_text_that_is_told() -> None:
    """What is left of a secret that was cut is not found any more: `quoted` shows it whole or not.

    What has been redacted is cut by `cut`.
    """
    found = ((module, module.cuts) for module in modules("convoy"))
    assert offenders(found) == {}


def test_the_locustfile_is_a_list_of_what_runs() -> None:
    assert [module.length for module in modules("locustfile.py")] <= [LONGEST_LOCUSTFILE]


def test_retired_words_name_nothing() -> None:
    @cache
    def is_retired(name: str) -> bool:
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
        return "RunOrder" in name or not RETIRED.isdisjoint(word.lower() for word in words)

    def named(module: Module) -> Iterator[str]:
        return filter(is_retired, module.identifiers - OF_THE_API)

    assert offenders((module, named(module)) for module in everything()) == {}


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
