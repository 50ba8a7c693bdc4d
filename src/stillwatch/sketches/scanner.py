"""The compiled scanner: bytes of a prompt to words.

A prompt is read once; each word becomes a 64-bit hash and a kind. The rules are stated in `docs/sketches.md` and
written a second time, slowly, in `tests/sketches/reference.py`. U is an unsigned 64-bit integer.

NOTE: a compiled function calls only those of its own file, because numba's disk cache watches no other; `mix` is the
exception, for it is published and never changes.
"""

import numpy as np

from stillwatch.sketches.alphabet import (
    ABOVE_TABLE_IGNORED,
    ABOVE_TABLE_UNSPACED,
    BEYOND_HEX_FLAG,
    CLASS_SHIFT,
    CODE_MARK,
    FOLD_MASK,
    LETTER_FLAG,
    N_TABLED,
    QUOTE_CODE,
    QUOTE_SINGLE,
    CharClass,
)
from stillwatch.sketches.compiled import compiled
from stillwatch.sketches.hashing import FNV_OFFSET, FNV_PRIME, U, mix
from stillwatch.sketches.kinds import (
    BIGRAM_LENGTH,
    CODE,
    ID,
    KIND_MASK,
    LENGTH_SHIFT,
    LONGEST,
    NUMBER,
    PATH,
    PLAIN,
    QUOTED,
    Bytes,
    Claim,
    Hashes,
    Int,
    Ints,
    Table,
)

LETTER, DIGIT, IGNORED = int(CharClass.LETTER), int(CharClass.DIGIT), int(CharClass.IGNORED)
SEPARATOR, SPACE = int(CharClass.SEPARATOR), int(CharClass.SPACE)
SPECIAL, UNSPACED = int(CharClass.SPECIAL), int(CharClass.UNSPACED)
U8 = np.uint8
START = U(FNV_OFFSET)
PRIME = U(FNV_PRIME)
DIGIT_FLAG = DIGIT << CLASS_SHIFT  # LETTER is class 0, so this bit of a word's joint entries says that it has a digit

FIRST_WIDE = 128  # bytes from here on belong to characters of several bytes
UNDERSCORE, FIRST_LOWER, LAST_LOWER = 95, 97, 122
BACKTICK, NEWLINE, SLASH, DOT, COLON, AT, HYPHEN, BACKSLASH, LESS = 96, 10, 47, 46, 58, 64, 45, 92, 60

# Places of the scanner's state.
N_WORDS, QUOTE, QUOTE_START, CHUNK_START, CHUNK_HINTS, IN_CODE, JOINED, N_FENCES, N_CODE_MARKS = range(9)
STATE_SIZE = 9
SPACE_ENTRY = np.int64(SPACE << CLASS_SHIFT)
HINT_PATH, HINT_SLASH, HINT_DOT = 1, 2, 4


@compiled
def decode(content: Bytes, i: Int, stop: Int) -> tuple[Int, int]:
    """Code point that starts at a byte >= 0x80 and how many bytes it takes; U+FFFD for what is not UTF-8."""
    lead = np.int64(content[i])
    if 0xC2 <= lead < 0xE0 and i + 1 < stop:
        return (lead & 0x1F) << 6 | content[i + 1] & 0x3F, 2
    if 0xE0 <= lead < 0xF0 and i + 2 < stop:
        return (lead & 0x0F) << 12 | (np.int64(content[i + 1]) & 0x3F) << 6 | content[i + 2] & 0x3F, 3
    if 0xF0 <= lead < 0xF5 and i + 3 < stop:
        high = (lead & 0x07) << 18 | (np.int64(content[i + 1]) & 0x3F) << 12
        return high | (np.int64(content[i + 2]) & 0x3F) << 6 | content[i + 3] & 0x3F, 4
    return 0xFFFD, 1


@compiled
def entry_above(point: Int) -> np.int64:
    """Alphabet entry of a code point at 0x20000 or above."""
    if ABOVE_TABLE_UNSPACED[0] <= point <= ABOVE_TABLE_UNSPACED[1]:
        return np.int64(UNSPACED << CLASS_SHIFT | point)
    if ABOVE_TABLE_IGNORED[0] <= point <= ABOVE_TABLE_IGNORED[1]:
        return np.int64(IGNORED << CLASS_SHIFT)
    return np.int64(SEPARATOR << CLASS_SHIFT)


@compiled
def look(content: Bytes, i: Int, stop: Int, alphabet: Table) -> tuple[np.int64, int]:
    """Alphabet entry of the character at a byte and how many bytes it takes."""
    if content[i] < 128:
        return np.int64(alphabet[content[i]]), 1
    point, width = decode(content, i, stop)
    if point < N_TABLED:
        return np.int64(alphabet[point]), width
    return entry_above(point), width


@compiled
def push(words: Hashes, kinds: Bytes, state: Ints, value: np.uint64, kind: Int, length: Int) -> None:
    """Append a word; inside a code fence every word is code."""
    n = state[N_WORDS]
    words[n] = mix(value)
    if state[IN_CODE]:
        kind = CODE
    kinds[n] = kind | min(length, LONGEST) << LENGTH_SHIFT
    state[N_WORDS] = n + 1


@compiled
def kind_of(kinds: Bytes, n: Int, seen: Int, is_joined: Claim, is_code: Int) -> Int:
    """Kind of word `n` from the joint entries of its characters.

    A part of a hyphenated hexadecimal id that happens to hold letters only (`is_joined`) is an id.
    """
    if is_code:
        return CODE
    if seen & DIGIT_FLAG:
        return ID if seen & LETTER_FLAG else NUMBER
    if is_joined and n > 0 and seen & BEYOND_HEX_FLAG == 0:
        before = kinds[n - 1] & KIND_MASK
        return ID if before in (NUMBER, ID) else PLAIN
    return PLAIN


@compiled
def end_chunk(kinds: Bytes, state: Ints) -> None:
    """End the run of characters between two spaces; its words are a path if it had the marks of one."""
    hints = state[CHUNK_HINTS]
    if hints & HINT_PATH or hints == HINT_SLASH | HINT_DOT:
        for word in range(state[CHUNK_START], state[N_WORDS]):
            if kinds[word] & KIND_MASK != CODE:
                kinds[word] = kinds[word] & ~KIND_MASK | PATH
    state[CHUNK_START] = state[N_WORDS]
    state[CHUNK_HINTS] = 0


@compiled
def is_word_byte(content: Bytes, i: Int, stop: Int, alphabet: Table) -> Claim:
    """Whether the byte can belong to a word (a byte of a character beyond ASCII counts)."""
    return i < stop and (content[i] >= 128 or alphabet[content[i]] >> CLASS_SHIFT <= DIGIT)


@compiled
def toggle_quote(kinds: Bytes, state: Ints, family: Int, after_word: Claim, before_word: Claim) -> None:
    """Open or close a quoted span; closing it marks the words inside."""
    if state[QUOTE] == family:
        if family == QUOTE_SINGLE and before_word:
            return
        kind = CODE if family == QUOTE_CODE else QUOTED
        for word in range(state[QUOTE_START], state[N_WORDS]):
            kinds[word] = kinds[word] & ~KIND_MASK | kind
        state[QUOTE] = 0
    elif state[QUOTE] == 0 and not after_word:
        state[QUOTE] = family
        state[QUOTE_START] = state[N_WORDS]


@compiled
def is_blank_line(content: Bytes, i: Int, stop: Int) -> Claim:
    """Whether only blanks stand between a byte and the next newline."""
    while i < stop and content[i] in (9, 13, 32):
        i += 1
    return i < stop and content[i] == NEWLINE


@compiled
def path_hint(
    content: Bytes, i: Int, start: Int, stop: Int, alphabet: Table, mark: Int, after_word: Claim, is_first: Claim
) -> Int:
    """What a mark says about its chunk being a path, URL or e-mail address."""
    following = is_word_byte(content, i + 1, stop, alphabet)
    if mark == SLASH:
        if not is_first:
            return HINT_SLASH
        before = content[i - 1] if i > start else 0
        return HINT_PATH if following and before not in (LESS, SLASH) else 0
    if mark == DOT:
        is_letter = i + 1 < stop and (content[i + 1] >= 128 or alphabet[content[i + 1]] >> CLASS_SHIFT == LETTER)
        return HINT_DOT if after_word and is_letter else 0
    if mark == AT:
        return HINT_PATH if after_word and following else 0
    if after_word and i + 1 < stop and content[i + 1] == BACKSLASH:
        return HINT_PATH
    return HINT_PATH if i + 2 < stop and content[i + 1] == SLASH and content[i + 2] == SLASH else 0


@compiled
def is_idle(mark: Int, following: Int, after_word: Claim, quote: Int) -> Claim:
    """Whether a special mark surely changes nothing, told from the byte after it and the family of the open quote."""
    if mark == DOT:
        is_letter = following >= FIRST_WIDE or following == UNDERSCORE or FIRST_LOWER <= following | 32 <= LAST_LOWER
        return not (after_word and is_letter)
    if mark == COLON:
        return following not in (SLASH, BACKSLASH)
    return mark < QUOTE_CODE and after_word and mark != quote


@compiled
def open_fence(kinds: Bytes, state: Ints) -> None:
    """Begin or end a fenced block of code."""
    end_chunk(kinds, state)
    state[IN_CODE] = 1 - state[IN_CODE]
    state[N_FENCES] += 1
    state[QUOTE] = 0


@compiled
def read_special(
    content: Bytes,
    i: Int,
    width: Int,
    start: Int,
    stop: Int,
    alphabet: Table,
    kinds: Bytes,
    state: Ints,
    mark: Int,
    after_word: Claim,
) -> Int:
    """Act on a special mark; the position after it."""
    if mark == QUOTE_CODE and i + 2 < stop and content[i + 1] == BACKTICK and content[i + 2] == BACKTICK:
        open_fence(kinds, state)
        return i + 3
    if state[IN_CODE]:
        return i + width
    if mark <= QUOTE_CODE:
        toggle_quote(kinds, state, mark, after_word, is_word_byte(content, i + width, stop, alphabet))
    else:
        is_first = state[CHUNK_START] == state[N_WORDS]
        state[CHUNK_HINTS] |= path_hint(content, i, start, stop, alphabet, mark, after_word, is_first)
    return i + width


@compiled
def read_unspaced(content: Bytes, i: Int, stop: Int, alphabet: Table, words: Hashes, kinds: Bytes, state: Ints) -> Int:
    """Append the bigrams of a run of unspaced characters (the character itself if it is alone); where the run ends."""
    end_chunk(kinds, state)
    before = U(0)
    n_run = 0
    while i < stop:
        entry, width = look(content, i, stop, alphabet)
        if entry >> CLASS_SHIFT == UNSPACED:
            character = U(entry & FOLD_MASK)
            if n_run:
                push(words, kinds, state, (((START ^ before) * PRIME) ^ character) * PRIME, PLAIN, BIGRAM_LENGTH)
            before = character
            n_run += 1
        elif entry >> CLASS_SHIFT != IGNORED:
            break
        i += width
    if n_run == 1:
        push(words, kinds, state, (START ^ before) * PRIME, PLAIN, BIGRAM_LENGTH)
    end_chunk(kinds, state)
    return i


@compiled
def scan(  # noqa: C901, PLR0912  a call with arrays costs as much as ten characters, so the common cases stand here
    content: Bytes, start: Int, stop: Int, alphabet: Table, words: Hashes, kinds: Bytes, state: Ints
) -> None:
    """Read the characters once: fills `words` and `kinds`, and `state` with counts."""
    state[:] = 0
    state[JOINED] = -1
    value, length, seen, i = START, 0, np.int64(0), start
    while i <= stop:
        entry, width = SPACE_ENTRY, 1  # what stands after the last byte
        if i < stop:
            entry = np.int64(alphabet[content[i]])
            if content[i] >= FIRST_WIDE:
                entry, width = look(content, i, stop, alphabet)
        group, mark, after_word = entry >> CLASS_SHIFT, entry & FOLD_MASK, length > 0
        if group <= DIGIT:
            value = (value ^ U(mark)) * PRIME
            seen |= entry
            length += 1
            i += width
            continue
        if group != IGNORED and after_word:
            n = state[N_WORDS]
            is_rare = seen & DIGIT_FLAG or state[IN_CODE] or state[JOINED] == n
            kind = kind_of(kinds, n, seen, length in (4, 8, 12), state[IN_CODE]) if is_rare else PLAIN
            words[n] = mix(value)
            kinds[n] = kind | min(length, LONGEST) << LENGTH_SHIFT
            state[N_WORDS] = n + 1
            value, length, seen = START, 0, np.int64(0)
        if group == SPACE:
            if state[CHUNK_HINTS]:
                end_chunk(kinds, state)
            state[CHUNK_START] = state[N_WORDS]
            if mark == NEWLINE and state[QUOTE] and is_blank_line(content, i + 1, stop):
                state[QUOTE] = 0
        elif group == UNSPACED:
            i = read_unspaced(content, i, stop, alphabet, words, kinds, state) - width
        elif group == SPECIAL:
            if mark == HYPHEN:
                state[JOINED] = state[N_WORDS]
            elif mark == CODE_MARK:
                state[N_CODE_MARKS] += 1
            elif not is_idle(mark, content[i + width] if i + width < stop else 0, after_word, state[QUOTE]):
                i = read_special(content, i, width, start, stop, alphabet, kinds, state, mark, after_word) - width
        i += width


@compiled
def read_words(content: Bytes, start: Int, stop: Int, alphabet: Table, words: Hashes, kinds: Bytes, state: Ints) -> Int:
    """Number of words of a text, after scanning it; a text without any word has one: the whole of it."""
    scan(content, start, stop, alphabet, words, kinds, state)
    if state[N_WORDS] == 0 and stop > start:
        value = START
        for i in range(start, stop):
            value = (value ^ U(content[i])) * PRIME
        words[0], kinds[0], state[N_WORDS] = mix(value), PLAIN, 1
    return np.int64(state[N_WORDS])


@compiled
def scan_rows(
    content: Bytes, starts: Ints, stops: Ints, alphabet: Table, words: Hashes, kinds: Bytes, ends: Ints, marks: Ints
) -> None:
    """Scan many texts one after the other: text `row` has the words before `ends[row]` and after the row before it.

    `marks` (n_rows, 3) takes the numbers of characters, of code fences and of code punctuation.
    """
    state = np.zeros(STATE_SIZE, dtype=np.int64)
    end: Int = 0
    for row in range(starts.size):
        start, stop = starts[row], stops[row]
        end += read_words(content, start, stop, alphabet, words[end:], kinds[end:], state)
        ends[row] = end
        n_characters = np.int64(0)
        for byte in content[start:stop]:
            n_characters += np.int64(byte & U8(0xC0) != U8(0x80))  # typed so that the compiler can use vectors
        marks[row, 0], marks[row, 1], marks[row, 2] = n_characters, state[N_FENCES], state[N_CODE_MARKS]
