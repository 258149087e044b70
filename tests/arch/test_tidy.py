"""The style guide as far as a machine can read it. Every complaint says where, and what to do instead.

What was there before a rule is in `ratchet.toml`, by rule and file; the numbers in it may only go down.
"""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "fallsafe"
QUERIES = SRC / "store" / "queries"
MIGRATIONS = SRC / "store" / "migrations"
RATCHET = Path(__file__).with_name("ratchet.toml")

# One word names one capability in every room.
WORDS = ("orders", "commands", "detect", "triage", "cases", "repair", "recover", "sla", "comms", "learn", "policy")
# Folders of statements that are neither such a word nor a table: what they are about instead.
OTHER_QUERIES = {
    "audit": "proofs over the whole store",
    "cluster": "roles, databases and the schema's version",
    "idempotency": "answers kept for a repeated request",
    "promises": "what the checkers of the promises see",
    "reads": "what the doors show",
    "tx": "the transaction itself",
}
BANNED = {"utils", "util", "common", "helpers", "helper", "base", "manager", "managers", "service", "services", "misc"}
LINES_MAX = 70
DEPTH_MAX = 3
CLOCKS = {"now", "utcnow", "today", "fromtimestamp"}
CORE_MAY_IMPORT = {
    "abc", "bisect", "collections", "contextlib", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions",
    "functools", "hashlib", "heapq", "itertools", "math", "operator", "re", "string", "types", "typing", "zoneinfo",
}  # fmt: skip
STATEMENT = re.compile(
    r"^\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|TRUNCATE\s+\w+|WITH\s+\w+\s+AS|CREATE\s+TABLE)\b",
    re.IGNORECASE | re.DOTALL,
)

# Calls that fail by themselves: pytest's, Playwright's, and the contract suite's.
PROVING = {"raises", "fail", "expect", "check"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> list[tuple[Path, ast.Module]]:
    """Every module of the product, parsed."""
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(SRC.rglob("*.py"))]


def in_room(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    return ((path, tree) for path, tree in modules() if path.relative_to(SRC).parts[0] in rooms)


def found(paths_and_nodes: Iterable[tuple[Path, int]], advice: str) -> list[tuple[str, str]]:
    """Complaints: the file as the ratchet names it, and the whole sentence."""
    return [
        (path.relative_to(ROOT).as_posix(), f"{path.relative_to(ROOT)}:{line}: {advice}")
        for path, line in paths_and_nodes
    ]


def complain(rule: str, complaints: list[tuple[str, str]]) -> None:
    """Fail with every complaint that the ratchet does not know, and when the ratchet can be turned down."""
    allowed: dict[str, int] = tomllib.loads(RATCHET.read_text(encoding="utf-8")).get(rule, {})
    counts = {
        name: sum(file == name for file, _ in complaints) for name in {file for file, _ in complaints} | allowed.keys()
    }
    said = [sentence for file, sentence in complaints if counts[file] > allowed.get(file, 0)]
    said += [
        f"{RATCHET.relative_to(ROOT)}: [{rule}] {name} is down to {counts[name]}; write that instead of {number}"
        for name, number in allowed.items()
        if counts[name] < number
    ]
    assert not said, "\n" + "\n".join(said)


class WhenAModuleIsRead:
    def test_it_says_what_it_knows_and_why(self) -> None:
        silent = [(path, 1) for path, tree in modules() if not ast.get_docstring(tree)]
        complain("docstrings", found(silent, "say in a docstring what this module knows, and why"))

    def test_its_functions_fit_on_a_screen(self) -> None:
        long = [
            (path, node.lineno)
            for path, tree in modules()
            for node in ast.walk(tree)
            if isinstance(node, Function) and (node.end_lineno or 0) - node.lineno + 1 > LINES_MAX
        ]
        complain("long", found(long, f"cut this function where it decides; {LINES_MAX} lines are the wall"))

    def test_its_name_is_a_word_of_the_trade(self) -> None:
        vague = [(path, 1) for path, _ in modules() if BANNED & {path.stem, *path.relative_to(SRC).parts[:-1]}]
        complain("names", found(vague, "name the file or folder after what it knows, not after being of use"))

    def test_it_is_not_buried(self) -> None:
        deep = [(path, 1) for path, _ in modules() if len(path.relative_to(SRC).parts) > DEPTH_MAX]
        complain("depth", found(deep, f"move it up; {DEPTH_MAX} levels are the most"))

    def test_classes_are_not_managers(self) -> None:
        vague = [
            (path, node.lineno)
            for path, tree in modules()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and re.search(r"\w(Manager|Helper|Handler|Utils?)$", node.name)
        ]
        complain("classes", found(vague, "name the class after the thing it is"))

    def test_settings_are_read_by_the_command_line_alone(self) -> None:
        readers = [
            (path, node.lineno)
            for path, tree in modules()
            if "cli" not in path.relative_to(SRC).parts
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        ]
        complain("settings", found(readers, "take this as an argument; cli/settings reads it and hands it down"))


class WhenTheCoreIsRead:
    def test_it_is_told_the_time(self) -> None:
        clocks = [
            (path, node.lineno)
            for path, tree in in_room("core")
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
        ]
        complain("clock", found(clocks, "take `now` as an argument; the core has no clock"))

    def test_it_imports_nothing_that_acts_or_parses(self) -> None:
        strangers = [
            (path, node.lineno)
            for path, tree in in_room("core")
            for node in ast.walk(tree)
            for name in imported(node)
            if name.split(".")[0] not in CORE_MAY_IMPORT and not name.startswith("fallsafe.core")
        ]
        complain("pure", found(strangers, "the core takes values and callables; let the caller import this"))

    def test_its_values_are_frozen_and_slotted(self) -> None:
        loose = [
            (path, node.lineno)
            for path, tree in in_room("core")
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for decorator in node.decorator_list
            if "dataclass" in ast.unparse(decorator)
            and not {"frozen=True", "slots=True"} <= set(re.findall(r"\w+=True", ast.unparse(decorator)))
        ]
        complain("frozen", found(loose, "write @dataclass(frozen=True, slots=True)"))

    def test_its_functions_take_and_give_named_values(self) -> None:
        shapeless = [
            (path, node.lineno)
            for path, tree in in_room("core")
            for node in ast.walk(tree)
            if isinstance(node, Function)
            for annotation in annotations(node)
            if re.search(r"\b(dict|Dict|Mapping)\[str, (Any|object)\]", annotation)
        ]
        complain("shapes", found(shapeless, "give the parts names in a frozen dataclass"))

    def test_its_rooms_have_the_words_of_the_trade(self) -> None:
        rooms = [
            path.parent for path, _ in in_room("core") if path.name == "__init__.py" and path.parent.name != "core"
        ]
        strange = [(room, 1) for room in rooms if room.name not in WORDS]
        complain("words", found(strange, f"put it under one of {', '.join(WORDS)}"))


class WhenTheStoreIsRead:
    def test_no_statement_stands_in_python(self) -> None:
        statements = [
            (path, node.lineno)
            for path, tree in modules()
            for node in literals(tree)
            if STATEMENT.search(str(node.value))
        ]
        complain("sql", found(statements, "move this statement to store/queries/<word>/<verb>.sql"))

    def test_only_the_transaction_ends_a_transaction(self) -> None:
        enders = [
            (path, node.lineno)
            for path, tree in modules()
            if path != SRC / "store" / "tx.py"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"commit", "rollback"}
        ]
        complain("commit", found(enders, "leave this to store.tx; a flow is one transaction, and its caller owns it"))

    def test_each_statement_says_why_it_exists(self) -> None:
        silent = [(path, 1) for path in statements() if not path.read_text(encoding="utf-8").startswith("-- ")]
        complain("why", found(silent, "begin the file with a comment that says why the statement exists"))

    def test_each_file_holds_one_statement(self) -> None:
        several = [(path, 1) for path in statements() if ";" in bare(path).rstrip().removesuffix(";")]
        complain("one", found(several, "one statement a file; name each by its verb"))

    def test_each_statement_is_used(self) -> None:
        names = spoken_of()
        unused = [
            (path, 1)
            for path in statements()
            if not names & {f"{path.parent.name}/{path.stem}", f"{path.parent.name}/", f"/{path.stem}"}
        ]
        complain("unused", found(unused, "nothing runs this statement; remove the file"))

    def test_each_folder_of_statements_is_a_word_or_a_table(self) -> None:
        known = {*WORDS, *OTHER_QUERIES, *tables()}
        strange = [(folder, 1) for folder in sorted(QUERIES.iterdir()) if folder.is_dir() and folder.name not in known]
        complain("folders", found(strange, "name the folder after a word of the trade or the table it is about"))

    def test_one_statement_alone_asks_for_the_time(self) -> None:
        clocks = re.compile(
            r"\b(now\(\)|current_timestamp|clock_timestamp|statement_timestamp|localtimestamp)", re.IGNORECASE
        )
        files = [*statements(), *sorted(MIGRATIONS.glob("*.sql"))]
        askers = [(path, 1) for path in files if path != QUERIES / "tx" / "now.sql" and clocks.search(bare(path))]
        complain(
            "now", found(askers, "take the time as a parameter; only tx/now.sql asks, and the simulator replaces it")
        )


class WhenTheTestsAreRead:
    def test_every_test_is_a_sentence_that_asserts_something(self) -> None:
        idle = [
            (path, node.lineno)
            for path in sorted((ROOT / "tests").rglob("test_*.py"))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, Function) and node.name.startswith("test_") and not asserts(node)
        ]
        complain("asserts", found(idle, "say with assert (or pytest.raises) what must be true"))

    def test_every_file_says_what_it_proves(self) -> None:
        silent = [
            (path, 1)
            for path in sorted((ROOT / "tests").rglob("test_*.py"))
            if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        ]
        complain("proves", found(silent, "say in a docstring what these tests prove"))


class WhenTheRatchetIsRead:
    def test_it_names_only_rules_and_files_that_exist(self) -> None:
        rules = set(re.findall(r'complain\("(\w+)"', Path(__file__).read_text(encoding="utf-8")))
        ratchet = tomllib.loads(RATCHET.read_text(encoding="utf-8"))
        assert ratchet.keys() <= rules
        assert [name for files in ratchet.values() for name in files if not (ROOT / name).exists()] == []


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module):
            return [module or "."]
        case _:
            return []


def annotations(function: Function) -> list[str]:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    given = [argument.annotation for argument in arguments if argument.annotation]
    return [ast.unparse(annotation) for annotation in [*given, *([function.returns] if function.returns else [])]]


def literals(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every text in a module that is not a docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, Function | ast.ClassDef | ast.Module) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def statements() -> list[Path]:
    return sorted(QUERIES.rglob("*.sql"))


def spoken_of() -> set[str]:
    """Names of statements in Python: whole, or one half of them (`f"audit/{table}"` and `f"{table}/write"`)."""
    texts = {str(node.value) for _, tree in modules() for node in literals(tree)}
    return {text for text in texts if re.fullmatch(r"[a-z_]+/[a-z_0-9]*|/[a-z_]+", text)}


def bare(path: Path) -> str:
    """A file of SQL without comments, quoted bodies and texts."""
    text = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))
    return re.sub(r"'[^']*'", "''", re.sub(r"\$(\w*)\$.*?\$\1\$", "''", text, flags=re.DOTALL))


def tables() -> set[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in MIGRATIONS.glob("*.sql"))
    return set(re.findall(r"CREATE (?:TABLE|VIEW) (\w+)", text))


def asserts(test: Function) -> bool:
    """Whether a test can fail on purpose: an assert, `pytest.raises`, or a call of something in tests/ that has one."""
    return any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Call) and (called(node) in PROVING or called(node) in proving()))
        for node in ast.walk(test)
    )


@cache
def proving() -> set[str]:
    """The names of everything in the tests that asserts, or calls something there that does."""
    bodies: dict[str, tuple[bool, set[str]]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Function) and not node.name.startswith("test_"):
                own = any(isinstance(inner, ast.Assert | ast.Raise) for inner in ast.walk(node))
                calls = {called(inner) for inner in ast.walk(node) if isinstance(inner, ast.Call)}
                before = bodies.get(node.name, (False, set()))
                bodies[node.name] = (own or before[0], calls | before[1])
    known: set[str] = set()
    while more := {name for name, (own, calls) in bodies.items() if own or calls & known} - known:
        known |= more
    return known


def called(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""
