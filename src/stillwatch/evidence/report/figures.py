"""The pictures of a report: time, network, evidence, exposure, coverage, damages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from math import cos, log10, pi, sin
from typing import Final

from stillwatch.evidence.report.svg import (
    ACCENT,
    INK,
    LINE,
    PALE,
    SOFT,
    STRONG,
    WIDTH,
    box,
    dot,
    drawing,
    line,
    path,
    text,
)
from stillwatch.evidence.report.words import money, number, plain_name

LABEL: Final = 190
RIGHT: Final = 70
ROW: Final = 26
MAX_NODES: Final = 72
"""Accounts in the picture of the network; more are a grey disc."""
MAX_TOKENS: Final = 7


def timeline(daily: Sequence[tuple[date, int]], alarm: datetime | None, releases: Sequence[tuple[str, date]]) -> str:
    """Flagged exchanges a day, with the first accusation and releases of models."""
    height, base = 190, 150
    first, last = daily[0][0], daily[-1][0]
    n_days = (last - first).days + 1
    step = (WIDTH - 60) / n_days
    most = max(n for _, n in daily) or 1
    parts = [line(50, base, WIDTH - 8, base, color=SOFT), text(44, 42, number(most), anchor="end", color=SOFT)]
    for day, n in daily:
        tall = n / most * 115
        parts.append(box(50 + (day - first).days * step + 0.5, base - tall, step - 1.5, tall, ACCENT))
    marks = [(f"{plain_name(name)} released", day, SOFT, 12) for name, day in releases]
    if alarm is not None:
        marks.append(("first accusation", alarm.date(), STRONG, 26))
    for said, day, color, y in marks:
        x = min(50 + (day - first).days * step, WIDTH - 8)
        is_late = x > WIDTH / 2
        parts += [line(x, y + 4, x, base, color=color, dash="4 3", width=1.4)]
        parts += [text(x - 5 if is_late else x + 5, y + 2, said, anchor="end" if is_late else "start", color=color)]
    parts += [text(50, base + 20, first.isoformat(), color=SOFT)]
    parts += [text(WIDTH - 8, base + 20, last.isoformat(), anchor="end", color=SOFT)]
    return drawing(height, parts, "Exchanges inside flagged slices, by day")


def network(members: Sequence[tuple[str, str]], kinds: dict[str, str]) -> str:
    """Accounts on a ring around the tokens that join them; `members` are pairs of account and token.

    Of each kind the tokens with most accounts come first, so that every kind is seen.
    """
    adopters: dict[str, set[str]] = {}
    for account, token in members:
        adopters.setdefault(token, set()).add(account)
    tokens = _leading(adopters, kinds)
    shown = sorted(set().union(*(adopters[token] for token in tokens)))
    chosen = shown[:: max(1, -(-len(shown) // MAX_NODES))]
    place = {account: _around(i, len(chosen), 330, 172) for i, account in enumerate(chosen)}
    ring = (205, 100) if len(tokens) > 1 else (0, 0)
    inner = {token: _around(i, len(tokens), *ring) for i, token in enumerate(tokens)}
    parts = [
        line(*inner[token], *place[account], color=PALE, width=0.5)
        for token in tokens
        for account in sorted(adopters[token] & place.keys())
    ]
    parts += [dot(x, y, 3.0, ACCENT) for x, y in place.values()]
    for token, (x, y) in inner.items():
        said = plain_name(kinds.get(token, ""))
        parts.append(box(x - 3.4 * len(said), y + 16, 6.8 * len(said), 16, "#ffffff"))
        parts.append(text(x, y + 28, said, anchor="middle", size=12))
        parts.append(dot(x, y, 15, STRONG))
        parts.append(text(x, y + 4.5, number(len(adopters[token])), anchor="middle", color="#ffffff", size=12))
    hidden = len(shown) - len(chosen)
    said = f"{len(chosen)} accounts shown" + (f", {number(hidden)} more are not" if hidden else "")
    parts.append(text(WIDTH - 8, 396, said, anchor="end", color=SOFT))
    return drawing(402, parts, "Accounts and the tokens that join them")


def _leading(adopters: dict[str, set[str]], kinds: dict[str, str]) -> list[str]:
    """At most MAX_TOKENS tokens: the first of every kind, then the second, and so on."""
    by_size = sorted(adopters, key=lambda token: (-len(adopters[token]), token))
    rank: dict[str, int] = {}
    seen: dict[str, int] = {}
    for token in by_size:
        kind = kinds.get(token, "")
        rank[token] = seen[kind] = seen.get(kind, -1) + 1
    return sorted(by_size, key=lambda token: rank[token])[:MAX_TOKENS]


def _around(index: int, n: int, wide: float, tall: float) -> tuple[float, float]:
    angle = 2 * pi * index / max(n, 1) - pi / 2
    return WIDTH / 2 + wide * cos(angle), 196 + tall * sin(angle)


def waterfall(names: Sequence[str], contributions: Sequence[float], *, baseline: float, score: float) -> str:
    """From what size and volume give, through what each signal adds, to the score."""
    steps = [("size, volume, tests", baseline), *zip(names, contributions, strict=True)]
    rest = score - sum(step for _, step in steps)
    steps += [("other signals", rest)] if abs(rest) >= 0.05 else []
    ends = [0.0, *accumulate(step for _, step in steps)]
    low, high = min([*ends, score]), max([*ends, score])
    scale = (WIDTH - LABEL - RIGHT) / max(high - low, 1e-9)
    parts = []
    for row, ((name, step), before) in enumerate(zip(steps, ends, strict=False)):
        y, x = 6 + row * ROW, LABEL + (min(before, before + step) - low) * scale
        parts.append(text(LABEL - 10, y + 14, plain_name(name), anchor="end"))
        parts.append(box(x, y, abs(step) * scale, ROW - 8, ACCENT if step >= 0 else PALE))
        parts.append(text(x + abs(step) * scale + 6, y + 14, f"{step:+.1f}", color=SOFT))
        parts.append(
            line(LABEL + (before + step - low) * scale, y + ROW - 8, LABEL + (before + step - low) * scale, y + ROW)
        )
    y = 6 + len(steps) * ROW
    parts.append(text(LABEL - 10, y + 14, "score", anchor="end", color=STRONG))
    parts.append(box(LABEL + (min(score, 0.0) - low) * scale, y, abs(score) * scale, ROW - 8, STRONG))
    parts.append(text(LABEL + (max(score, 0.0) - low) * scale + 6, y + 14, f"{score:.1f}", color=STRONG))
    return drawing(y + ROW + 4, parts, "What each signal adds to the score")


@dataclass(frozen=True, slots=True)
class Span:
    """A named value with the ends of its interval."""

    name: str
    low: float
    value: float
    high: float


def intervals(spans: Sequence[Span], title: str) -> str:
    """Values with their intervals on one axis from zero."""
    most = max((span.high for span in spans), default=1.0) or 1.0
    scale = (WIDTH - LABEL - RIGHT - 30) / most
    parts = []
    for row, span in enumerate(spans):
        y = 8 + row * ROW
        parts.append(text(LABEL - 10, y + 13, plain_name(span.name), anchor="end"))
        parts.append(box(LABEL, y + 2, span.value * scale, ROW - 12, PALE))
        parts.append(line(LABEL + span.low * scale, y + 9, LABEL + span.high * scale, y + 9, color=INK, width=1.6))
        parts.append(dot(LABEL + span.value * scale, y + 9, 4, ACCENT))
        parts.append(text(LABEL + span.high * scale + 9, y + 13, number(span.value), color=SOFT))
    return drawing(8 + len(spans) * ROW + 6, parts, title)


def coverage(shares: Sequence[float], start: datetime) -> str:
    """Share of the grid covered at the end of each day."""
    base, tall = 150, 125
    step = (WIDTH - 110) / max(len(shares) - 1, 1)
    parts = []
    for mark in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(line(50, base - mark * tall, WIDTH - 50, base - mark * tall))
        parts.append(text(44, base - mark * tall + 4, f"{mark:.0%}", anchor="end", color=SOFT))
    points = [(50 + place * step, base - share * tall) for place, share in enumerate(shares)]
    parts += [path(points, ACCENT), dot(*points[-1], 4, ACCENT)]
    parts.append(text(points[-1][0] + 8, points[-1][1] + 4, f"{shares[-1]:.0%}", color=ACCENT))
    end = start + timedelta(days=len(shares) - 1)
    parts += [text(50, base + 20, f"{start:%Y-%m-%d}", color=SOFT)]
    parts += [text(WIDTH - 50, base + 20, f"{end:%Y-%m-%d}", anchor="end", color=SOFT)]
    return drawing(180, parts, "Share of the capability grid covered, by day")


def amounts(spans: Sequence[Span], title: str) -> str:
    """Amounts of money with their ranges on a logarithmic axis; zero is drawn at its left end."""
    low = 10 ** int(log10(max(min((s.low for s in spans if s.low > 0), default=1.0), 1.0)))
    high = max(10 ** (int(log10(max(max((s.high for s in spans), default=10.0), 10.0))) + 1), 10 * low)
    room = WIDTH - LABEL - 40

    def at(value: float) -> float:
        return LABEL + log10(max(value, low) / low) / log10(high / low) * room

    parts, base, mark = [], 12 + len(spans) * ROW, float(low)
    while mark <= high:
        parts.append(line(at(mark), 4, at(mark), base, color=LINE))
        parts.append(text(at(mark), base + 16, money(mark), anchor="middle", color=SOFT, size=12))
        mark *= 10
    for row, span in enumerate(spans):
        y = 8 + row * ROW
        parts.append(text(LABEL - 10, y + 13, plain_name(span.name), anchor="end"))
        parts.append(line(at(span.low), y + 9, at(span.high), y + 9, color=ACCENT, width=6))
        parts.append(dot(at(span.value), y + 9, 5, STRONG))
    return drawing(base + 26, parts, title)
