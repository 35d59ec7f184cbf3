"""Print how the code is built: rooms, imports between them, signatures, long functions.

Run it from the root of the repository: ``python scripts/house.py``. With a name of
packages it says which modules of one room import which of another:
``python scripts/house.py workflows plugin``. Everything is read from the source alone,
nothing is imported.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "napari_sam"
_MOST_PARAMETERS = 7
_LONG_FUNCTION = 40
_LONG_MODULE = 400

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of every module, by its dotted name."""
    found = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        parts = path.relative_to(_ROOT).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(trees: dict[str, ast.Module]) -> list[tuple[str, str]]:
    """List (module, module that it imports), also those within functions."""
    edges = set()
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
                continue
            if node.module in trees:
                for alias in node.names:
                    deeper = f"{node.module}.{alias.name}"
                    edges.add((name, deeper if deeper in trees else node.module))
    return sorted(edges)


def room_of(module: str, package: str) -> str:
    """Return the room of a package in which a module lies; itself where in none."""
    rest = module.removeprefix(f"napari_sam.{package}.")
    return rest.split(".")[0]


def crossings(
    edges: list[tuple[str, str]], package: str
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return the imports between the rooms of a package."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    inside = f"napari_sam.{package}."
    for source, target in edges:
        if source.startswith(inside) and target.startswith(inside):
            rooms = room_of(source, package), room_of(target, package)
            if rooms[0] != rooms[1]:
                found.setdefault(rooms, []).append((source, target))
    return found


def floors(pairs: set[tuple[str, str]]) -> int:
    """Return how many floors the rooms have; 0 where they import in a circle."""
    rooms = {room for pair in pairs for room in pair}
    height = dict.fromkeys(rooms, 1)
    for _ in range(len(rooms) + 1):
        changed = False
        for upper, lower in pairs:
            if height[upper] <= height[lower]:
                height[upper] = height[lower] + 1
                changed = True
        if not changed:
            return max(height.values(), default=1)
    return 0


def functions(trees: dict[str, ast.Module]) -> list[tuple[str, Function]]:
    """List every function with the module in which it stands."""
    return [
        (name, node)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, Function)
    ]


def parameters(function: Function) -> int:
    """Count the parameters, without self and cls."""
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    count = len(names) + (given.vararg is not None) + (given.kwarg is not None)
    return count - (bool(names) and names[0] in ("self", "cls"))


def length(function: Function) -> int:
    """Count the lines of code; the docstring is none."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    if not body:
        return 0
    return int(body[-1].end_lineno or 0) - body[0].lineno + 1


def is_typed(function: Function) -> bool:
    """Whether everything that goes in and comes out has a type."""
    given = function.args
    names = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    rest = [a for a in names if a.arg not in ("self", "cls")]
    return all(a.annotation is not None for a in rest) and function.returns is not None


def public_names() -> set[str]:
    """Return the names that the package exports, from its stub."""
    stub = ast.parse((_PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name
        for node in ast.walk(stub)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def report_rooms(
    packages: list[str], trees: dict[str, ast.Module], edges: list[tuple[str, str]]
) -> None:
    """Print the rooms of packages, and what they import of one another."""
    for package in packages:
        inside = [m for m in trees if m.startswith(f"napari_sam.{package}.")]
        rooms = Counter(room_of(m, package) for m in inside)
        found = crossings(edges, package)
        within = [e for e in edges if all(m in inside for m in e)]
        between = sum(len(pairs) for pairs in found.values())
        beside = sum(1 for count in rooms.values() if count == 1)
        print(f"\n{package}: {len(inside)} modules in {len(rooms) - beside} rooms")
        print(f"  beside the rooms: {beside}")
        print(f"  imports: {len(within)}, between rooms {between}")
        print(f"  pairs of rooms: {len(found)}, floors: {floors(set(found)) or 'none'}")
        for (upper, lower), pairs in sorted(found.items()):
            print(f"    {upper} -> {lower}: {len(pairs)}")


def report_functions(trees: dict[str, ast.Module]) -> None:
    """Print how long functions are, and how many parameters the public ones have."""
    every = functions(trees)
    public = public_names()
    exported = [f for _, f in every if f.name in public and f.col_offset == 0]
    many = sorted(f.name for f in exported if parameters(f) > _MOST_PARAMETERS)
    print(f"\npublic functions: {len(exported)}")
    print(f"  with over {_MOST_PARAMETERS} parameters: {len(many)} {many or ''}")
    typed = sum(is_typed(f) for _, f in every)
    print(f"functions: {len(every)}, typed {typed / len(every):.1%}")
    sizes = sorted(((length(f), m, f.name) for m, f in every), reverse=True)
    long = [size for size in sizes if size[0] > _LONG_FUNCTION]
    share = len(long) / len(every)
    print(f"  over {_LONG_FUNCTION} lines: {len(long)} ({share:.1%})")
    for lines, module, name in long:
        print(f"    {lines} {module}.{name}")


def report_modules(trees: dict[str, ast.Module]) -> None:
    """Print long modules, and classes that inherit from one of ours."""
    print(f"\nmodules over {_LONG_MODULE} lines:")
    sizes = {
        path.relative_to(_ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in _PACKAGE.rglob("*.py")
    }
    for path, lines in sorted(sizes.items(), key=lambda item: -item[1]):
        if lines > _LONG_MODULE:
            print(f"    {lines} {path}")
    classes = [
        (module, node)
        for module, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    ]
    ours = {node.name for _, node in classes}
    print("classes that inherit from one of ours:")
    for module, node in classes:
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in ours:
                print(f"    {module}.{node.name}({base.id})")


def report(packages: list[str]) -> None:
    """Print all of it."""
    trees = modules()
    print(f"modules: {len(trees)}")
    report_rooms(packages, trees, imports(trees))
    report_functions(trees)
    report_modules(trees)


if __name__ == "__main__":
    report(sys.argv[1:] or ["workflows", "plugin"])
