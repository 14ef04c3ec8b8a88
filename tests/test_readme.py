import re
import subprocess
import sys
from pathlib import Path

import typer

from frustra.cli.app import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_library_example_has_eight_lines_and_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(code.strip().splitlines()) == 8
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"mean \d\.\d+ eV .* entropy \d\.\d+ nat", done.stdout)


PAGES = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))


def test_links_lead_somewhere() -> None:
    for page in ("README.md", "ARCHITECTURE.md", "benchmarks/README.md", *PAGES):
        text = (ROOT / page).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert ((ROOT / page).parent / link).exists(), (page, link)


def test_the_commands_are_there_with_their_options() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.split("#")[0].split() for block in blocks for line in block.splitlines()]
    asked = {words[1]: set() for words in lines if words[:1] == ["frustra"]}
    for words in lines:
        if words[:1] == ["frustra"]:
            asked[words[1]] |= {w for w in words[2:] if w.startswith("--")}
    program = typer.main.get_command(app)
    for name, options in asked.items():
        known = {o for parameter in program.commands[name].params for o in parameter.opts}
        assert options <= known, name


def test_every_module_has_a_place_in_the_architecture() -> None:
    rows = ARCHITECTURE.split("## Modules")[1].split("\n## ")[0].splitlines()
    named: list[str] = []
    for cell in (row.split("|")[1] for row in rows if row.startswith("|")):
        names = re.findall(r"`([^`]+)`", cell)
        folder = names[0].rpartition("/")[0] + "/" if names and "/" in names[0] else ""
        named += [name if "/" in name else folder + name for name in names]
    source = ROOT / "src" / "frustra"
    there = {str(p.relative_to(source)) for p in source.rglob("*.py") if not p.name.startswith("__")}
    assert sorted(named) == sorted(there)


def test_the_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make (\w+)`", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_reference_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/make_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
