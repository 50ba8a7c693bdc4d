"""The comparison as Markdown and as JSON, with all that is needed to get it again."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from compare import PLAIN_CLASSES, own_counts, peer_counts, read_truth
from peer import HERE, method

Found = dict[str, Any]
"""One detector in one world: seconds, memory, failure, and its operating points (see `compare.count`)."""
OWN: Final = "stillwatch"
FIXED: Final = "fixed: accused"
REVIEWED: Final = "fixed: accused or review"
TABLES: Final = (
    ("FPR 0.001", "At most one honest account in a thousand accused"),
    ("FPR 0.0001", "At most one honest account in ten thousand accused"),
    ("FPR 0.01", "At most one honest account in a hundred accused"),
    ("best F1", "Best F1"),
)
PACKAGES: Final = ("numpy", "scipy", "scikit-learn", "pyarrow", "duckdb")


def write_report(out: Path, worlds: Mapping[int, Path], times: Mapping[int, Mapping[str, Found]], *, cores: int) -> str:
    """The comparison as Markdown; writes `peers.md` and `peers.json` in `out`."""
    seeds = {seed: found_in(world, times[seed]) for seed, world in worlds.items()}
    about = provenance(worlds, cores)
    text = "\n\n".join(
        [preface(about, seeds), *(table(seeds, *which) for which in TABLES), classes(seeds), failures(seeds)]
    )
    (out / "peers.json").write_text(json.dumps({"about": about, "seeds": seeds}, indent=1, default=float) + "\n")
    (out / "peers.md").write_text(text + "\n")
    return text


def found_in(world: Path, times: Mapping[str, Found]) -> dict[str, Found]:
    """Every detector of one world with its operating points; none where it failed."""
    truth = read_truth(world)
    found = {}
    for name, took in times.items():
        path = world / f"{name}.parquet"
        counts = [] if took["failure"] else own_counts(path, truth) if name == OWN else peer_counts(path, truth)
        found[name] = {**took, "points": {str(point["point"]): point for point in counts}}
    return found


def provenance(worlds: Mapping[int, Path], cores: int) -> Found:
    """Seeds, command, commit, versions and machine."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "command": " ".join(["python", "benchmarks/peers/run.py", *sys.argv[1:]]),
        "seeds": list(worlds),
        "commit": git("rev-parse", "HEAD"),
        "changed": len(git("status", "--porcelain", "--", "src").splitlines()),
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in PACKAGES},
        "machine": f"{cores} cores {platform.machine()}" + (f" ({model[0].split(': ')[1]})" if model else ""),
        "load": [round(value, 1) for value in os.getloadavg()],
    }


def git(*arguments: str) -> str:
    """What git prints; empty outside of a checkout."""
    try:
        done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def version_of(package: str) -> str:
    """An installed package's version."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def preface(about: Found, seeds: Mapping[int, Mapping[str, Found]]) -> str:
    """What was run, on what, with which result of stillwatch's own rule."""
    own = [found[OWN]["points"][FIXED] for found in seeds.values() if found[OWN]["points"]]
    honest = [sum(point["honest"][place] for point in own) for place in (0, 1)]
    managed = [sum(point["managed"][place] for point in own) for place in (0, 1)]
    changed = f" with {about['changed']} changed files in src" if about["changed"] else ""
    return (
        f"`{about['command']}`\n\nSeeds {', '.join(map(str, about['seeds']))}; commit {about['commit'][:9]}{changed}; "
        f"Python {about['python']}; {about['machine']}; load {about['load'][0]} at the end.\n\n"
        f"Stillwatch accused {honest[0]} of {honest[1]:,} honest accounts, and {managed[0]} of {managed[1]} accounts "
        "of verified owners and contracts (no detector is charged for these). Shares are pooled over seeds."
    )


def table(seeds: Mapping[int, Mapping[str, Found]], point: str, title: str) -> str:
    """Recall by campaign at one operating point: stillwatch's rule first, then each detector in hindsight."""
    campaigns = campaign_names(seeds)
    head = ["detector", *campaigns, "honest accused", "precision", "CPU s", "peak MB"]
    rows = [row(seeds, OWN, FIXED, "**stillwatch, fixed beforehand**", campaigns)]
    rows.append(row(seeds, OWN, REVIEWED, "stillwatch, fixed, with those sent to review", campaigns))
    rows.append(row(seeds, OWN, point, "stillwatch's score, threshold in hindsight", campaigns))
    rows += [row(seeds, name, point, method(name).peer.title, campaigns) for name in peer_names(seeds)]
    return f"## {title}\n\n" + markdown(head, rows)


def row(
    seeds: Mapping[int, Mapping[str, Found]], name: str, point: str, title: str, campaigns: Sequence[str]
) -> list[str]:
    """One detector at one operating point, pooled over the seeds in which it finished."""
    done = [found[name] for found in seeds.values() if found[name]["points"]]
    if not done:
        return [title, *["did not run"] * len(campaigns), "", "", "", ""]
    at = [one["points"][point] for one in done]
    shares = [pooled([found["campaigns"][campaign] for found in at]) for campaign in campaigns]
    n_false, n_honest = (sum(found["honest"][place] for found in at) for place in (0, 1))
    n_true = sum(n for found in at for n, _ in found["campaigns"].values())
    precision = f"{n_true / (n_true + n_false):.2f}" if n_true + n_false else ""
    seconds, memory = sum(one["cpu"] for one in done) / len(done), max(one["peak_mb"] for one in done)
    false = f"{n_false} ({n_false / n_honest:.2%})"
    return [title, *(f"{share:.2f}" for share in shares), false, precision, f"{seconds:.0f}", f"{memory:,.0f}"]


def classes(seeds: Mapping[int, Mapping[str, Found]]) -> str:
    """Honest accounts accused by class: stillwatch's rule and each peer at its best F1."""
    known = {
        name
        for found in seeds.values()
        for one in found.values()
        for p in one["points"].values()
        for name in p["classes"]
    }
    sizes = class_sizes(seeds, known)
    columns = sorted((name for name in known if sizes[name]), key=lambda name: (name not in PLAIN_CLASSES, name))
    rows = [class_row(seeds, OWN, FIXED, "**stillwatch, fixed beforehand**", columns)]
    rows += [class_row(seeds, name, "best F1", method(name).peer.title, columns) for name in peer_names(seeds)]
    head = ["detector", *(f"{name.replace('_', ' ')} ({sizes[name]})" for name in columns)]
    return "## Honest accounts accused, by class, at the best F1\n\n" + markdown(head, rows)


def class_row(
    seeds: Mapping[int, Mapping[str, Found]], name: str, point: str, title: str, columns: Sequence[str]
) -> list[str]:
    """How many accounts of each class one detector accuses."""
    at = [found[name]["points"][point] for found in seeds.values() if found[name]["points"]]
    if not at:
        return [title, *["did not run"] * len(columns)]
    return [title, *(str(sum(found["classes"].get(column, [0, 0])[0] for found in at)) for column in columns)]


def class_sizes(seeds: Mapping[int, Mapping[str, Found]], names: Iterable[str]) -> dict[str, int]:
    """How many accounts of each class count, over the seeds."""
    firsts = [next(iter(one["points"].values())) for found in seeds.values() for one in [found[OWN]] if one["points"]]
    return {name: sum(point["classes"].get(name, [0, 0])[1] for point in firsts) for name in names}


def failures(seeds: Mapping[int, Mapping[str, Found]]) -> str:
    """Which detectors did not finish, and why."""
    found = {
        f"- seed {seed}, {name}: {one['failure']}"
        for seed, of_seed in seeds.items()
        for name, one in of_seed.items()
        if one["failure"]
    }
    return "\n".join(["## Did not run\n", *(sorted(found) or ["All detectors ran."])])


def campaign_names(seeds: Mapping[int, Mapping[str, Found]]) -> list[str]:
    """The campaigns of the worlds."""
    return sorted(
        {
            name
            for found in seeds.values()
            for one in found.values()
            for p in one["points"].values()
            for name in p["campaigns"]
        }
    )


def peer_names(seeds: Mapping[int, Mapping[str, Found]]) -> list[str]:
    """The peers, without stillwatch."""
    return [name for name in next(iter(seeds.values())) if name != OWN]


def pooled(counts: Sequence[Sequence[int]]) -> float:
    """A share over all seeds."""
    return sum(n for n, _ in counts) / max(sum(n for _, n in counts), 1)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all but the first column stand to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
