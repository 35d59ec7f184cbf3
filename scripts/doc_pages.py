"""The pages of the documentation that are made from the code, and the list of models.

The site is built by ``make docs``; `mkdocs_hooks` hands it what is made here. Run as a
script, this writes the table of models in ``docs/models.md`` anew::

    python scripts/doc_pages.py
"""

from __future__ import annotations

import argparse
import ast
import re
from importlib import import_module
from inspect import isroutine
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.configs import Config, Setting, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_sam.checkpoints.registry import CheckpointSpec

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

MODELS_BEGIN = "<!-- models: made by scripts/doc_pages.py -->"
MODELS_END = "<!-- models: end -->"

_FROM_README = ("Two commands", "The first two minutes", "Keys")
"""Sections of the README that make the page "First two minutes"."""


def first_minutes_page() -> str:
    """Return how to install, the first clicks and the keys, as the README has them."""
    text = (ROOT / "README.md").read_text("utf-8")
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    body = "".join(f"## {title}{sections[title]}" for title in _FROM_README)
    return f"# First two minutes\n\n{in_docs(body)}"


def contributing_page() -> str:
    """Return CONTRIBUTING.md as a page of docs/."""
    return in_docs((ROOT / "CONTRIBUTING.md").read_text("utf-8"))


def changelog_page() -> str:
    """Return CHANGELOG.md as a page of docs/."""
    return in_docs((ROOT / "CHANGELOG.md").read_text("utf-8"))


def in_docs(text: str) -> str:
    """Make links of a page at the root right for the same page within docs/."""
    return re.sub(r"\]\((?!https?:|#|docs/)([^)]+)\)", r"](../\1)", text).replace(
        "](docs/", "]("
    )


def commands_page() -> str:
    """Return what ``napari-sam --help`` and the help of each command say."""
    from napari_sam.cli import COMMANDS, build_parser

    parser = build_parser()
    (subparsers,) = (
        action
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    parts = [
        "# Commands",
        "Everything below is what `napari-sam COMMAND --help` prints. Every command "
        "ends with 0 when all went well, 1 when a file or the network failed, 2 when "
        "what was asked is wrong, and 130 after Ctrl-C.",
    ]
    for name in COMMANDS:
        parts.append(_command(name, subparsers.choices[name]))
    return "\n\n".join(parts) + "\n"


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    usage = " ".join(_usage(parser).split())
    parts = [f"## {name}", _escape(parser.description or "")]
    parts.append(f"```\n{_wrap(usage)}\n```")
    rows = [
        f"| {_invocation(action)} | {_escape(_help(parser, action))} |"
        for action in parser._actions
        if action.help is not argparse.SUPPRESS
        and "--help" not in action.option_strings
    ]
    if rows:
        parts.append("\n".join(["| argument | |", "| --- | --- |", *rows]))
    if parser.epilog:
        parts.append(_escape(parser.epilog))
    return "\n\n".join(parts)


def _usage(parser: argparse.ArgumentParser) -> str:
    return parser.format_usage().removeprefix("usage: ")


def _wrap(usage: str, width: int = 76) -> str:
    """Break a usage line between its arguments, never within brackets."""
    words = re.findall(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]|\S+", usage)
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("   ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\n".join(lines)


def _invocation(action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter("")
    if action.option_strings:
        value = ""
        if action.nargs != 0:
            value = " " + formatter._format_args(
                action, formatter._get_default_metavar_for_optional(action)
            )
        return ", ".join(f"`{name}{value}`" for name in action.option_strings)
    (name,) = formatter._metavar_formatter(
        action, formatter._get_default_metavar_for_positional(action)
    )(1)
    return f"`{name}`"


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action) if action.help else ""


def _escape(text: str) -> str:
    """Keep what Markdown would read as code, emphasis, HTML or the end of a cell."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", " ".join(text.split()))


def public_names() -> list[tuple[str, str, str]]:
    """Return name, module and name within it of all that ``__init__.pyi`` lists."""
    tree = ast.parse((ROOT / "napari_sam" / "__init__.pyi").read_text("utf-8"))
    return [
        (
            alias.asname or alias.name,
            f"napari_sam.{node.module}" if node.level else str(node.module),
            alias.name,
        )
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        and (node.level or (node.module or "").startswith("napari_sam"))
        for alias in node.names
    ]


def api_page() -> str:
    """Return a page with every public name, functions before classes."""
    kinds: list[tuple[str, Callable[[Any], bool]]] = [
        ("Functions", isroutine),
        ("Settings", lambda thing: _is_settings(thing)),
        ("Errors", lambda thing: _is_error(thing)),
        (
            "Classes",
            lambda thing: (
                not isroutine(thing)
                and not _is_settings(thing)
                and not _is_error(thing)
            ),
        ),
    ]
    things = [
        (name, f"{module}.{inner}", getattr(import_module(module), inner))
        for name, module, inner in sorted(
            public_names(), key=lambda row: row[0].lower()
        )
    ]
    parts = [
        "# Python",
        "Every public name of `napari_sam`. Coordinates are (row, col). "
        "[Scripting](scripting.md) shows how they are used together. "
        "`import napari_sam` is quick: torch is loaded when it is first needed.",
    ]
    for title, is_of_kind in kinds:
        entries = [_entry(*row) for row in things if is_of_kind(row[2])]
        if entries:
            parts += [f"## {title}", *entries]
    return "\n\n".join(parts) + "\n"


def _is_settings(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Config)


def _is_error(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseException)


def _entry(name: str, path: str, thing: Any) -> str:
    options = [f"      heading: {name}", f"      toc_label: {name}"]
    if _is_settings(thing):
        options += ["      members: false", "      show_signature: false"]
    text = "\n".join([f"::: {path}", "    options:", *options])
    return f"{text}\n\n{_settings_table(thing)}" if _is_settings(thing) else text


def _settings_table(config: type[Config]) -> str:
    rows = ["| name | default | from, to | |", "| --- | --- | --- | --- |"]
    rows += [
        f"| `{one.name}` | {_default(one)} | {_bounds(one)} | "
        f"{_escape(one.description)} |"
        for one in settings_of(config).values()
    ]
    return "\n".join(rows)


def _default(one: Setting) -> str:
    value = one.default
    if isinstance(value, Config):
        return f"`{type(value).__name__}()`"
    if isinstance(value, float):
        value = round(value, 4)
    unit = f" {one.unit}" if one.unit and value is not None else ""
    return f"`{value!r}`{unit}".replace("|", "\\|")


def _bounds(one: Setting) -> str:
    if one.choices:
        return ", ".join(f"`{word!r}`" for word in one.choices)
    low, high = ("" if end is None else f"{end:g}" for end in (one.low, one.high))
    return f"{low}, {high}" if low or high else ""


def models_table() -> str:
    """Return the table of all models that load by name, one row for each family."""
    from napari_sam.checkpoints.registry import REGISTRY

    rows = [
        "| name | size | licence | everything | CPU seconds a plane | good for |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for _, specs in groupby(REGISTRY.values(), key=lambda spec: spec.good_for):
        rows.append(_models_row(list(specs)))
    return "\n".join(rows)


def _models_row(specs: list[CheckpointSpec]) -> str:
    from napari_sam.checkpoints.measured_speed import seconds_in_words

    names = ", ".join(f"`{spec.name}`" for spec in specs)
    sizes = ", ".join(
        "bundled" if spec.bundled else spec.size_text.removeprefix("about ")
        for spec in specs
    )
    licence = specs[0].licence.partition(" (")[0].removesuffix(" with the file")
    modes = ", ".join(specs[0].everything)
    taken = "; ".join(seconds_in_words(spec) for spec in specs)
    cells = (names, sizes, licence, modes, taken, specs[0].good_for)
    return f"| {' | '.join(cells)} |"


def with_models_table(text: str) -> str:
    """Return a page in which the table of models is made anew."""
    before, begin, rest = text.partition(MODELS_BEGIN)
    _, end, after = rest.partition(MODELS_END)
    if not (begin and end):
        raise ValueError(f"the page must hold {MODELS_BEGIN} and {MODELS_END}")
    return f"{before}{begin}\n\n{models_table()}\n\n{end}{after}"


GALLERY = (
    "click_nuclei",
    "segment_a_folder",
    "boxes_of_a_detector",
    "volume",
    "film",
    "large_slide_on_two_workers",
    "train_and_use",
    "evaluate",
    "measure",
    "drive_the_window_from_a_script",
)
"""The examples in the order of the page, by the names of their files."""


def gallery_page() -> str:
    """Return each example of the gallery: what it does, its picture, its code."""
    parts = [
        "# Gallery",
        "Ten short scripts. Each runs as it is, with images and a model that come with "
        "the installation, and writes the picture that you see here into the folder in "
        "which you start it. Copy one and change it: most need only your images in "
        "place of ours.",
    ]
    parts += [_example(name) for name in GALLERY]
    return "\n\n".join(parts) + "\n"


def _example(name: str) -> str:
    code = (DOCS / "gallery" / f"{name}.py").read_text("utf-8")
    title = name.replace("_", " ").capitalize()
    about = ast.get_docstring(ast.parse(code)) or ""
    summary, _, for_whom = about.partition("\n\n")
    picture = f"![{summary}](../images/gallery/{name}.png)"
    return "\n\n".join(
        [
            f"## {title}",
            f"{summary} {' '.join(for_whom.split())}",
            picture,
            f'```python title="{name}.py"\n{code.partition(_DOCSTRING_END)[2].strip()}'
            "\n```",
        ]
    )


_DOCSTRING_END = '\n"""\n'

PAGES: Mapping[str, Callable[[], str]] = {
    "first-two-minutes.md": first_minutes_page,
    "commands.md": commands_page,
    "api.md": api_page,
    "contributing.md": contributing_page,
    "changelog.md": changelog_page,
    "gallery/index.md": gallery_page,
}
"""What is made for the site and lies in no file of docs/."""

AT_THE_ROOT: Mapping[str, str] = {
    "README.md": "first-two-minutes.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""The pages that hold files of the root."""


def with_outward_links(text: str, repository: str | None) -> str:
    """Lead the links of a page that leave docs/ to a page, the repository or nowhere.

    Parameters
    ----------
    text
        Markdown.
    repository
        Address of the repository; without it, such links become plain text.
    """

    def replace(found: re.Match[str]) -> str:
        label, path, anchor = found[1], found[2], found[3] or ""
        if path in AT_THE_ROOT:
            return f"[{label}]({AT_THE_ROOT[path]}{anchor})"
        if repository:
            return f"[{label}]({repository.rstrip('/')}/blob/main/{path}{anchor})"
        return label

    return re.sub(r"(?<!!)\[([^\]]+)\]\(\.\./([^)#\s]+)(#[^)\s]*)?\)", replace, text)


def main() -> None:
    """Write the table of models anew."""
    page = DOCS / "models.md"
    page.write_text(with_models_table(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
