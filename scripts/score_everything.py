"""Score a model by everything that docs/ has a table of, and say what made which.

Usage::

    python scripts/score_everything.py --data VAL --volumes VOLUMES --out SCORES
    python scripts/score_everything.py --data VAL --out SCORES --only clicks instances

Each table is a text file in SCORES, with the command that made it as its first line and
where it belongs as its second one. A table that is there for these weights is not made
again, so that a run that was stopped goes on where it was; a table that failed is told
at the end, and the others are made all the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from napari_sam.checkpoints.load import load_sam
from napari_sam.io.atomic_write import write_atomically

ROOT = Path(__file__).resolve().parents[1]

PARTIAL = ("blood_cells", "fluo_neurons", "tem_nanoparticles")
"""Kinds of which only some objects are labelled: found ones can not be told wrong."""


@dataclass(frozen=True)
class Table:
    """A table of the documentation.

    Attributes
    ----------
    name
        Of its file.
    place
        Page and heading where it stands.
    command
        What makes it; `{data}`, `{volumes}`, `{edges}` and `{model}` are filled in, and
        `{complete}` becomes the kinds whose objects are all labelled.
    """

    name: str
    place: str
    command: tuple[str, ...]


def evaluate(name: str, place: str, *options: str) -> Table:
    """Return a table that `napari-sam evaluate` makes."""
    start = ("napari-sam", "evaluate", "--model", "{model}", "--data", "{data}")
    return Table(name, place, (*start, *options, "--markdown"))


def benchmark(name: str, place: str, *words: str) -> Table:
    """Return a table that a script in benchmarks/ makes."""
    return Table(name, place, ("python", f"benchmarks/{words[0]}.py", *words[1:]))


SOME = ("--max-objects", "8", "--max-images", "20")

SMEARS = ("--data", "{data}/blood_cells", "--max-images", "15", "--threads", "1")

CHANNELS = (("0",), ("1",), ("2",), ("0", "1"), ("0", "2"), ("0", "1", "2"))
"""Membrane, cytoplasm and nucleus of tissue_if_cells, alone and together."""

SECTIONS = ("--kinds", "em_mitochondria", "em_neurites", "--max-objects", "60")

TABLES = (
    evaluate("clicks", "model-card.md#scores", *SOME),
    evaluate("whole", "model-card.md#scores", *SOME, "--whole"),
    evaluate(
        *("instances-many", "accuracy.md#instances", "--mode", "instances"),
        *("--kinds", "fluo_nuclei", "em_particles"),
    ),
    evaluate(
        *("instances", "accuracy.md#instances", "--mode", "instances"),
        *("--max-images", "20", "--kinds", "{complete}"),
    ),
    evaluate(
        *("refined", "accuracy.md#other-things-measured", "--mode", "refined"),
        *("--max-images", "4", "--kinds", "{complete}"),
    ),
    evaluate(
        *("grid", "accuracy.md#a-grid-of-points", "--mode", "grid", "--kinds"),
        *("fluo_nuclei", "--max-images", "14"),
    ),
    evaluate(
        *("proposals", "accuracy.md#object-proposals", "--mode", "proposals"),
        *("--max-images", "1"),
    ),
    *(
        evaluate(
            *(f"channels-{''.join(some)}", "accuracy.md#several-channels"),
            *("--kinds", "tissue_if_cells", "--axes", "YXC", "--max-objects", "80"),
            *("--channels", *some),
        )
        for some in CHANNELS
    ),
    benchmark(
        *("prompt-constraints", "accuracy.md#keeping-to-the-prompts"),
        *("prompt_constraints", "{data}", "--max-images", "6", "--max-objects", "4"),
    ),
    Table(
        "edges",
        "accuracy.md#edges",
        ("napari-sam", "evaluate-edges", "--model", "{model}", "--data", "{edges}"),
    ),
    *(
        evaluate(
            *(f"{mode}-sections", "accuracy.md#text-examples-and-classes"),
            *("--mode", mode, *SECTIONS),
        )
        for mode in ("examples", "text", "classes")
    ),
    *(
        evaluate(
            *(f"{mode}-all", "accuracy.md#text-examples-and-classes", "--mode", mode),
            *("--among", "all", "--max-images", "2", "--max-objects", "60"),
        )
        for mode in ("examples", "text")
    ),
    benchmark(
        *("text-prompts", "find.md#text-beside-clicks", "text_prompts"),
        *("--data", "{data}", "--max-images", "2", "--max-objects", "8"),
    ),
    benchmark("volumes", "accuracy.md#volumes", "volume_instances", "{volumes}"),
    benchmark(
        *("object-growing", "accuracy.md#one-click-in-3d", "object_growing"),
        *("{volumes}", "--clicks", "3"),
    ),
    *(
        Table(
            name,
            "annotate-a-folder.md",
            ("napari-sam", "evaluate-loop", "--model", "{model}", *SMEARS, *learning),
        )
        for name, learning in (
            ("loop", ("--retrain-after", "5", "--minutes", "3")),
            ("loop-never", ("--minutes", "0")),
        )
    ),
    Table(
        "through-volumes",
        "accuracy.md#through-volumes",
        (
            *("napari-sam", "evaluate", "--model", "{model}", "--volume"),
            *("--data", "{volumes}", "--markdown"),
        ),
    ),
)


def main() -> int:
    """Make the tables that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of labelled images")
    parser.add_argument("--volumes", type=Path, help="folder of labelled volumes")
    parser.add_argument("--edges", type=Path, help="folder of images with boundaries")
    parser.add_argument("--out", type=Path, required=True, help="where tables go")
    parser.add_argument("--model", default="cells", help="name or path (cells)")
    parser.add_argument(
        "--only", nargs="+", choices=[t.name for t in TABLES], help="these tables"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    digest = load_sam(args.model).digest[:12]
    failed = []
    for table in TABLES:
        if args.only and table.name not in args.only:
            continue
        filled = fill(table, args)
        if filled is None:
            print(f"{table.name}: left out, for the folder it needs is not given")
        elif not make(table, filled, args.out, digest):
            failed.append(table.name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def fill(table: Table, args: argparse.Namespace) -> list[str] | None:
    """Fill the folders into a command; None where one that it needs is not given."""
    filled: list[str] = []
    for word in table.command:
        if word == "{complete}":
            if args.data is None:
                return None
            filled += complete_kinds(args.data)
        elif word.startswith("{"):
            name, rest = word[1:].split("}")
            given = getattr(args, name)
            if given is None:
                return None
            is_many = name == "volumes" and "benchmarks" in table.command[1]
            filled += (
                sorted(map(str, given.iterdir())) if is_many else [f"{given}{rest}"]
            )
        else:
            filled.append(word)
    return filled


def complete_kinds(data: Path) -> list[str]:
    """List the kinds whose objects are all labelled."""
    kinds = [p.name for p in sorted(data.iterdir()) if (p / "images").is_dir()]
    return [kind for kind in kinds if kind not in PARTIAL]


def make(table: Table, command: list[str], out: Path, digest: str) -> bool:
    """Make a table, or find it made; say whether it is there."""
    place = out / f"{table.name}.txt"
    shown = f"{' '.join(command)}  # weights {digest}"
    if place.exists() and place.read_text(encoding="utf-8").startswith(shown):
        print(f"{table.name}: there")
        return True
    start = time.monotonic()
    program = [sys.executable, "-m", "napari_sam"]
    if command[0] == "python":
        program = [sys.executable]
    done = subprocess.run(
        [*program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    minutes = (time.monotonic() - start) / 60
    if done.returncode:
        print(f"{table.name}: rc {done.returncode}\n{done.stderr.strip()[-2000:]}")
        return False
    text = f"{shown}\n{table.place}\n\n{done.stdout}"
    write_atomically(place, lambda part: part.write_text(text, encoding="utf-8"))
    print(f"{table.name}: made in {minutes:.1f} minutes")
    return True


if __name__ == "__main__":
    sys.exit(main())
