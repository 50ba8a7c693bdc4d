"""Word banks of the English grammar. All of it was written for this project; names are made of invented syllables."""

from itertools import product


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


def _names(heads: str, tails: str) -> tuple[str, ...]:
    return tuple(head + tail for head, tail in product(heads.split(), tails.split()))


_STEMS = _names(
    "bar cor del fen gal hol ist jun kar lum mor nev orb pel quin ros sal tor ulm ver wes yar zan bri cal dor eld fir",
    "a anda eck ela en era ia ica ile in ion ira is ix o ona or ora us yn",
)
_FIELDS = _split(
    "invoice matching|warehouse picking|patient intake|lease renewals|route planning|crop yields|ticket triage|"
    "payment retries|image thumbnails|sensor drift|shift rosters|exam timetables|bus arrivals|recipe scaling|"
    "loan scoring|chat moderation|search ranking|cache eviction|log shipping|schema migration|currency rounding|"
    "email parsing|queue backpressure|session tokens|video captions|music playlists|museum tours|garden layout|"
    "tax brackets|insurance claims|parcel tracking|hotel bookings|language drills|trail maps|soil moisture|"
    "battery health|wind forecasts|grant proposals|court filings|press releases|survey results|donor letters|"
    "stock counts|price alerts|fitness plans|sleep diaries|podcast notes|wedding seating|train delays|star charts|"
    "fraud rings|ad auctions|map tiles|font rendering|audio mixing|drone surveys|bee hives|water meters|code reviews|"
    "unit tests|build caches|feature flags|access rights|contract clauses"
)
_ASPECTS = _split(
    "edge cases|latency|wording|error handling|monthly totals|duplicates|naming|ordering|rollback|onboarding|"
    "permissions|summaries|missing values|time zones|retries|formatting|costs|history|validation|documentation|"
    "sampling|alerts|layout|exports"
)
N_SUBJECTS_PER_TOPIC = 6
SUBJECTS = tuple(
    f"{_FIELDS[(topic * 7 + topic // 64 * 5) % 64]} {_ASPECTS[(topic * 5 + number * 7 + topic // 64) % 24]}"
    for topic in range(256)
    for number in range(N_SUBJECTS_PER_TOPIC)
)
"""Subjects by topic: six in a row for each of 256."""

BANKS: dict[str, tuple[str, ...]] = {
    "stem": _STEMS,
    "person": tuple(stem.capitalize() for stem in _STEMS),
    "team": tuple(
        f"{stem.capitalize()} {kind}" for stem, kind in product(_STEMS[::3], ("Labs", "Group", "Works", "Co"))
    ),
    "file": tuple(
        f"{folder}/{stem}.{end}"
        for folder, stem, end in product(
            ("src", "lib/core", "app", "services/api", "tests", "pkg/internal"),
            _STEMS[::6],
            ("py", "ts", "go", "rs", "sql"),
        )
    ),
    "table": tuple(
        f"{stem}_{kind}" for stem, kind in product(_STEMS[::4], ("events", "orders", "users_daily", "ledger"))
    ),
    "function": tuple(
        f"{verb}_{stem}"
        for verb, stem in product(
            ("load", "merge", "parse", "sync", "score", "render", "split", "check"),
            _STEMS[::7],
        )
    ),
    "number": tuple(
        str(number)
        for number in (3, 4, 5, 7, 8, 10, 12, 14, 15, 18, 20, 24, 30, 36, 40, 48, 60, 75, 90, 120, 250, 400, 512)
    ),
    "adjective": _split(
        "slow|tidy|fragile|old|simple|strict|quiet|noisy|small|shared|nightly|local|partial|clean|stale|bulky|narrow|"
        "internal|hand-written|early|half-finished|well-known|unusual|temporary|legacy|seasonal|"
        "official|rough|honest|quick"
    ),
    "noun": _split(
        "draft|brief|report|survey|form|letter|poem|schedule|outline|dashboard|plan|sheet|service|guide|list|memo|"
        "sketch|manual|lesson|budget|diagram|glossary|catalogue|article|speech|chapter|agenda|policy|note|summary"
    ),
    "verb": _split(
        "rewrite|shorten|explain|compare|check|improve|extend|translate|outline|simplify|reorganise|review|"
        "draft|polish|"
        "describe|summarise|list|estimate|name|finish|expand|clarify|merge|prepare|correct|convert|sort|question"
    ),
    "opener": _split(
        "Hi,|Hello again,|Quick one:|Please|Could you|I need to|Help me|Can you|We want to|Today I must|Next up:|"
        "For tomorrow,|Small favour:|My manager asked me to|As before,|Right,|OK so|Morning!|Let us|New question:|"
        "Before lunch,|In short:|I am trying to|Would you|One more:|Urgent:|When you can,|Following up,"
    ),
    "manner": _split(
        "in plain words|with one example|without jargon|for beginners|for my boss|in a table|as bullets|in two parts|"
        "very briefly|with sources|for the website|before Friday|line by line|in a friendly tone|with numbers|"
        "as an email|for print|from scratch|so it fits a slide|keeping the order|for a child|as a checklist|"
        "like last time|with headings|and keep it short|for the auditors|with a title|in the same style"
    ),
    "reason": _split(
        "because readers get lost|since the old one broke|so nobody has to guess|as the client complained|"
        "because it keeps failing|now that rules changed|since we moved offices|because I lost mine|"
        "as the numbers look odd|so we can ship|because reviewers disagree|since two people left|"
        "as it takes too long|because it confuses people|so I can present it|since prices went up"
    ),
    "quantity": _split("three|four|about five|a few|two|six|at most seven|ten|several|one or two|a dozen|eight"),
    "closing": _split(
        "Thanks!|Thank you.|No rush.|Keep it brief.|Cheers|That is "
        "all.|Any thoughts?|Tell me if unclear.|Ask if needed.|"
        "Short answer please.|I will check later.|What did I miss?|Go ahead.|Start now.|Best first.|Be honest.||||||"
    ),
    "language": _split("Python|TypeScript|Go|Rust|Java|C++|SQL|Kotlin|Ruby|Bash|Swift|PHP"),
    "error": _split(
        "KeyError|TimeoutError|null pointer|off by one|deadlock|type mismatch|ConnectionReset|assertion failed|"
        "memory leak|wrong encoding|race condition|index out of range|missing import|stack overflow|403 response"
    ),
    "goal": _split(
        "passes every test|runs under a second|needs no new dependency|handles empty input|keeps the public interface|"
        "logs each failure|works offline|scales to millions of rows|is easy to read|returns early|never blocks|"
        "can be rolled back|supports two locales|survives a restart|stays under budget"
    ),
    "aim": _split(
        "reads well|fits the brief|leaves no doubt|covers each point|can be sent today|needs no follow-up|"
        "keeps its tone|"
        "convinces a sceptic|says who does what|stays on one page|matches the sample|answers the letter|"
        "is fair to both|"
        "names its limits|suits the occasion"
    ),
    "tool": _split(
        "search|calendar|calculator|shell|browser|database|file reader|mailer|weather service|ticket system|map|"
        "spreadsheet|code runner|translator|currency feed"
    ),
    "criterion": _split(
        "accuracy|clarity|tone|completeness|safety|brevity|helpfulness|structure|evidence|originality|correctness|style"
    ),
    "span": _split(
        "this week|next month|six weeks|a quarter|two sprints|the year|ten days|the summer|one semester|a weekend"
    ),
}
"""Leaf banks by name. A slot `{name}` takes one entry by the item's key; `{@name}` is a name of the entity."""
