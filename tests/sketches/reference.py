"""The rules of docs/sketches.md once more: plain, slow, obvious, on Python strings and without numpy."""

import re
from dataclasses import dataclass
from functools import cache
from unicodedata import ucd_3_2_0 as unicode_3_2

from stillwatch.sketches.lexicon import PHRASES

ALL = 1 << 64
BASE = 0x9E3779B97F4A7C15
MATERIAL_SALT = 0x6D6174657269616C
QUOTE_FAMILIES = ['"', "'‘’‚‛", "“”„‟", "«»", "‹›", "「」", "『』", "`"]  # noqa: RUF001
UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1000-\u103f\u1050-\u109f\u1780-\u17d3\u17dc\u17dd"
    "\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u31f0-\u31ff\uff66-\uff9f\U00020000-\U0003ffff"
)
IGNORED = (
    "\u00ad\u0300-\u036f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff"
)
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def fmix(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor % ALL
    return value ^ value >> 33


def fnv(symbols: list[int], state: int = 0xCBF29CE484222325) -> int:
    for symbol in symbols:
        state = (state ^ symbol) * 0x100000001B3 % ALL
    return state


def signed(value: int) -> int:
    return value - ALL if value >= ALL // 2 else value


def text_hash(text: str) -> int:
    return signed(fmix(fnv(list(b"stillwatch/text/1\0" + text.encode()))))


def chain(values: list[int]) -> int:
    state = 0
    for value in values:
        state = (state * BASE + value) % ALL
    return fmix(state)


@cache
def kind_of_character(character: str) -> str:
    """letter, digit, ignored, space, unspaced or mark."""
    if re.fullmatch(f"[{IGNORED}]", character):
        return "ignored"
    if re.fullmatch(f"[{SPACES}]", character):
        return "space"
    if re.fullmatch(f"[{UNSPACED}]", character):
        return "unspaced"
    category = unicode_3_2.category(character)
    if category == "Nd":
        return "digit"
    if character == "_" or category in ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc"):
        return "letter" if character < "\U00020000" else "mark"
    later_symbols = "\u2000-\u2bff\u2e00-\u2e7f\ud800-\uf8ff\ufff0-\uffff\U0001d000-\U0010ffff"
    if category == "Cn" and not re.fullmatch(f"[{later_symbols}]", character):
        return "letter"
    return "mark"


@cache
def fold(character: str) -> str:
    if kind_of_character(character) == "digit":
        return str(unicode_3_2.digit(character))
    if character >= "\U00020000":
        return character
    lower = character.lower() if len(character.lower()) == 1 else character
    bare = re.sub("[\u0300-\u036f]", "", unicode_3_2.normalize("NFKD", lower))
    if len(bare) != 1:
        return lower
    return bare.lower() if len(bare.lower()) == 1 else bare


@dataclass
class Word:
    text: str
    kind: str
    length: int

    @property
    def hash(self) -> int:
        return fmix(fnv([ord(character) for character in self.text]))


class Scan:
    """Words of a text with their kinds, by reading characters from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: list[Word] = []
        self.n_fences = self.n_code_marks = 0
        self.in_code = False
        self.quote: str | None = None
        self.quote_start = self.chunk_start = 0
        self.hints: set[str] = set()
        self.joined_at = -1
        self.pending = ""
        at = 0
        while at < len(text):
            at += self.read(at)
        self.end_word()
        self.end_chunk()
        if text and not self.words:
            self.words.append(Word("", "plain", 0))
            self.whole = fmix(fnv(list(text.encode())))

    def next_is_word(self, at: int) -> bool:
        following = self.text[at + 1 : at + 2]
        return following >= "\x80" or (following != "" and kind_of_character(following) in ("letter", "digit"))

    def read(self, at: int) -> int:
        character = self.text[at]
        kind = kind_of_character(character)
        if kind in ("letter", "digit"):
            self.pending += character
            return 1
        if kind == "ignored":
            return 1
        after_word = self.end_word()
        if kind == "unspaced":
            return self.read_unspaced(at)
        if kind == "space":
            self.end_chunk()
            if character == "\n" and re.match(r"[\t\r ]*\n", self.text[at + 1 :]):
                self.quote = None
            return 1
        return self.read_mark(at, character, after_word)

    def end_word(self) -> bool:
        word, self.pending = self.pending, ""
        if not word:
            return False
        folded = "".join(map(fold, word))
        has_digit = any(kind_of_character(character) == "digit" for character in word)
        has_letter = any(kind_of_character(character) == "letter" for character in word)
        before = self.words[-1].kind if self.words else ""
        kind = "plain"
        if self.in_code:
            kind = "code"
        elif has_digit:
            kind = "id" if has_letter else "number"
        elif self.joined_at == len(self.words) and re.fullmatch("[a-f]{4}|[a-f]{8}|[a-f]{12}", folded):
            kind = "id" if before in ("number", "id") else "plain"
        self.words.append(Word(folded, kind, min(len(word), 15)))
        return True

    def end_chunk(self) -> None:
        if "path" in self.hints or {"slash", "dot"} <= self.hints:
            for word in self.words[self.chunk_start :]:
                word.kind = word.kind if word.kind == "code" else "path"
        self.hints = set()
        self.chunk_start = len(self.words)

    def read_unspaced(self, at: int) -> int:
        self.end_chunk()
        run = re.match(f"[{UNSPACED}{IGNORED}]*", self.text[at:]).group()  # type: ignore[union-attr]
        folded = "".join(fold(character) for character in run if kind_of_character(character) == "unspaced")
        kind = "code" if self.in_code else "plain"
        bigrams = [folded] if len(folded) == 1 else [folded[k : k + 2] for k in range(len(folded) - 1)]
        self.words.extend(Word(bigram, kind, 6) for bigram in bigrams)
        self.end_chunk()
        return len(run)

    def read_mark(self, at: int, character: str, after_word: bool) -> int:
        if character == "-":
            self.joined_at = len(self.words)
        if character in "{};=":
            self.n_code_marks += 1
        if self.text[at : at + 3] == "```":
            self.end_chunk()
            self.in_code = not self.in_code
            self.n_fences += 1
            self.quote = None
            return 3
        if not self.in_code:
            self.read_hint(at, character, after_word)
            self.read_quote(at, character, after_word)
        return 1

    def read_hint(self, at: int, character: str, after_word: bool) -> None:
        before = self.text[at - 1 : at]
        following = self.text[at + 1 : at + 3]
        is_first = self.chunk_start == len(self.words)
        if character == "/" and not is_first:
            self.hints.add("slash")
        if character == "/" and is_first and self.next_is_word(at) and before not in ("<", "/"):
            self.hints.add("path")
        if character == ":" and (following == "//" or (after_word and following[:1] == "\\")):
            self.hints.add("path")
        if character == "@" and after_word and self.next_is_word(at):
            self.hints.add("path")
        if character == "." and after_word and self.next_is_word(at) and following[0] not in "0123456789":
            self.hints.add("dot")

    def read_quote(self, at: int, character: str, after_word: bool) -> None:
        family = next((marks for marks in QUOTE_FAMILIES if character in marks), None)
        if family is None:
            return
        if self.quote == family:
            if "'" in family and self.next_is_word(at):
                return
            for word in self.words[self.quote_start :]:
                word.kind = "code" if character == "`" else "quoted"
            self.quote = None
        elif self.quote is None and not after_word:
            self.quote, self.quote_start = family, len(self.words)

    def hashes(self) -> list[int]:
        if len(self.words) == 1 and not self.words[0].text:
            return [self.whole]
        return [word.hash for word in self.words]


def shingles(hashes: list[int], n_characters: int) -> list[int]:
    size = min(5, len(hashes))
    grams = [chain(hashes[k : k + size]) for k in range(len(hashes) - size + 1)]
    threshold, limit = ALL // 8, 2000
    while n_characters > limit and threshold > 1:
        threshold, limit = threshold // 2, limit * 2
    kept = {gram for gram in grams if gram < threshold} or {min(grams)}
    return sorted(map(signed, kept))


def materials(scan: Scan, n_characters: int) -> list[int]:
    """Bins of the words of four characters or more that are kept, ascending and distinct."""
    threshold, limit = ALL // 16, 2000
    while n_characters > limit and threshold > 1:
        threshold, limit = threshold // 2, limit * 2
    long = [value for word, value in zip(scan.words, scan.hashes(), strict=True) if word.length >= 4]
    values = [fmix(value ^ MATERIAL_SALT) for value in long]
    return sorted({value % 32768 for value in values if value < threshold})


def skeleton(scan: Scan) -> int:
    tokens: list[int] = []
    was_slot = False
    for word, value in zip(scan.words, scan.hashes(), strict=True):
        is_slot = word.kind != "plain"
        if not (is_slot and was_slot):
            tokens.append(0x5107 if is_slot else value)
        was_slot = is_slot
    return signed(chain(tokens[:16]))


def micro_cell(scan: Scan) -> int:
    def weight(word: Word) -> int:
        return max(0, min(word.length - 3, 3)) if word.kind in ("plain", "quoted") else 0

    weights = [weight(word) for word in scan.words]
    if sum(weights) == 0:
        weights = [1] * len(scan.words)
    pattern = 0
    for bit in range(20, 32):
        ones = sum(w for w, value in zip(weights, scan.hashes(), strict=True) if value >> bit & 1)
        pattern = 2 * pattern + (2 * ones > sum(weights))
    return pattern


@cache
def cue_phrases() -> dict[tuple[str, ...], set[int]]:
    phrases: dict[tuple[str, ...], set[int]] = {}
    for cue, joined in PHRASES.items():
        for phrase in joined.split("|"):
            phrases.setdefault(tuple(word.text for word in Scan(phrase).words), set()).add(int(cue))
    return phrases


def cue_counts(scan: Scan, n_cues: int) -> list[int]:
    """A position counts for a cue when some phrase of the cue begins there."""
    counts = [0] * n_cues
    texts = [word.text for word in scan.words]
    longest = max(map(len, cue_phrases()))
    for k, word in enumerate(scan.words):
        if word.kind == "plain" and word.text:
            found = set().union(*(cue_phrases().get(tuple(texts[k : k + n]), set()) for n in range(1, longest + 1)))
            for cue in found:
                counts[cue] = min(255, counts[cue] + 1)
    return counts
