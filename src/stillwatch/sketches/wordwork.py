"""The compiled half that works on words: shingles, materials, skeleton, projections, cues.

Types are left to numba: U is an unsigned 64-bit integer.

NOTE: a compiled function calls only those of its own file, because numba's disk cache watches no other; `mix` is the
exception, for it is published and never changes.
"""

import numpy as np
import numpy.typing as npt

from stillwatch.sketches.compiled import compiled
from stillwatch.sketches.hashing import U, mix
from stillwatch.sketches.kinds import KIND_MASK, LENGTH_SHIFT, PLAIN, Bytes, Claim, Hashes, Int, Ints

GRAM = U(0x9E3779B97F4A7C15)  # base of the rolling hash of words: 2^64 / golden ratio, odd
GRAM_4 = U(pow(0x9E3779B97F4A7C15, 4, 1 << 64))
N_GRAM = 5
FULL_SCALE_CHARACTERS = 2000  # up to this length 1/8 of the shingles are kept
LONG_SORT = 64
MATERIAL_SALT = U(
    0x6D6174657269616C
)  # "material": keeps the choice of words apart from every other use of their hashes
MATERIAL_LENGTH = 4  # shorter words are mostly grammar
MATERIAL_BINS = U(0x7FFF)  # mask of the 15 bits of a value that are its bin
HEAD = 16  # skeleton words that are hashed; measured in docs/sketches.md
SLOT = U(0x5107)  # stands for a run of abstracted words; any constant
N_AXES = 12
AXIS_SHIFT = 20  # bits 20 to 31 of a word's hash are its signs on the projections
LANE_WORDS = 1 << 14  # times a weight of 3 stays below 2^16
SPREAD = np.array([sum((bits >> lane & 1) << 16 * lane for lane in range(4)) for bits in range(16)], dtype=np.uint64)
KEY_SHIFT = 48  # highest bits of a hash choose its slot in the table of cues
CONTINUES = 1 << 31  # bit of a word or of words that begin a longer phrase
COUNT_LIMIT = 255


@compiled
def keep_shingles(words: Hashes, n_words: Int, threshold: np.uint64, kept: Hashes, at: Int) -> tuple[Int, np.uint64]:
    """Where the shingles of a prompt end, written from `kept[at]` on, ascending and distinct; and the prompt's hash."""
    size = min(N_GRAM, n_words)
    gram, least, end = U(0), ~U(0), at
    for k in range(size - 1):
        gram = gram * GRAM + words[k]
    whole = gram
    for k in range(size - 1, n_words):
        whole = whole * GRAM + words[k]
        gram = gram * GRAM + words[k]
        value = mix(gram)
        least = min(least, value)
        kept[end] = value  # overwritten by the next one unless it counts: no branch to guess wrongly
        end += value < threshold
        gram -= words[k - size + 1] * GRAM_4  # with fewer than five words this is the last round anyway
    if end == at:
        kept[at] = least
    if end <= at + 1:
        return at + 1, mix(whole)
    sort(kept, at, end)
    return drop_repeats(kept, at, end), mix(whole)


@compiled
def keep_materials(words: Hashes, kinds: Bytes, n_words: Int, threshold: np.uint64, materials: Hashes, at: Int) -> Int:
    """Where the materials of a prompt end, written from `materials[at]` on, ascending and distinct; maybe none."""
    end = at
    for k in range(n_words):
        value = mix(words[k] ^ MATERIAL_SALT)
        if value < threshold and kinds[k] >= MATERIAL_LENGTH << LENGTH_SHIFT:  # one in sixteen: a branch costs least
            materials[end] = value & MATERIAL_BINS
            end += 1
    if end <= at + 1:
        return end
    sort(materials, at, end)
    return drop_repeats(materials, at, end)


@compiled
def drop_repeats(values: Hashes, start: Int, stop: Int) -> Int:
    """Move distinct values of a sorted range to its front; where they end."""
    end = start + 1
    for k in range(start + 1, stop):
        if values[k] != values[end - 1]:
            values[end] = values[k]
            end += 1
    return end


@compiled
def sift(values: Hashes, start: Int, root: Int, size: Int) -> None:
    """Restore the heap order below a root."""
    while 2 * root + 1 < size:
        child = 2 * root + 1
        if child + 1 < size and values[start + child] < values[start + child + 1]:
            child += 1
        if values[start + root] >= values[start + child]:
            return
        values[start + root], values[start + child] = values[start + child], values[start + root]
        root = child


@compiled
def sort(values: Hashes, start: Int, stop: Int) -> None:
    """Sort a range in place: by insertion while it is short, by a heap when a hostile prompt makes it long."""
    size = stop - start
    if size > LONG_SORT:
        for root in range(size // 2 - 1, -1, -1):
            sift(values, start, root, size)
        for last in range(size - 1, 0, -1):
            values[start], values[start + last] = values[start + last], values[start]
            sift(values, start, 0, last)
        return
    for k in range(start + 1, stop):
        value, at = values[k], k
        while at > start and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@compiled
def skeleton_of(words: Hashes, kinds: Bytes, n_words: Int) -> np.uint64:
    """Hash of the first HEAD skeleton words; a run of numbers, ids, paths, quotes and code is one of them."""
    value, n_tokens, k = U(0), 0, 0
    while k < n_words and n_tokens < HEAD:
        if kinds[k] & KIND_MASK == PLAIN:
            value = value * GRAM + words[k]
            k += 1
        else:
            value = value * GRAM + SLOT
            while k < n_words and kinds[k] & KIND_MASK != PLAIN:
                k += 1
        n_tokens += 1
    return mix(value)


@compiled
def add_signs(words: Hashes, kinds: Bytes, start: Int, stop: Int, weights: Hashes, is_even: Claim, sums: Ints) -> Int:
    """Add the weighted sign bits of a run of words to the sums; the weight added in all.

    Twelve counters of 16 bits ride in three integers; LANE_WORDS words of the largest weight cannot overflow them.
    """
    low, middle, high, total = U(0), U(0), U(0), np.int64(0)
    for k in range(start, stop):
        weight = U(1) if is_even else weights[kinds[k]]
        signs = words[k] >> U(AXIS_SHIFT)
        low += weight * SPREAD[signs & U(15)]
        middle += weight * SPREAD[signs >> U(4) & U(15)]
        high += weight * SPREAD[signs >> U(8) & U(15)]
        total += np.int64(weight)
    for lane in range(4):
        shift = U(16 * lane)
        sums[lane] += np.int64(low >> shift & U(0xFFFF))
        sums[lane + 4] += np.int64(middle >> shift & U(0xFFFF))
        sums[lane + 8] += np.int64(high >> shift & U(0xFFFF))
    return total


@compiled
def project(words: Hashes, kinds: Bytes, n_words: Int, weights: Hashes, sums: Ints) -> Int:
    """Sign pattern of the projections of words that weigh, first one highest; of all words if none weighs."""
    for is_even in (False, True):
        sums[:] = 0
        total: Int = 0
        for start in range(0, n_words, LANE_WORDS):
            total += add_signs(words, kinds, start, min(start + LANE_WORDS, n_words), weights, is_even, sums)
        if total:
            break
    pattern = 0
    for axis in range(N_AXES):
        pattern = pattern << 1 | (2 * sums[axis] > total)
    return pattern


@compiled
def find(filter_bits: Bytes, keys: Hashes, values: Ints, key: np.uint64) -> Int:
    """Value of a key in the open-addressing table, 0 when absent; the filter turns nearly all absent keys away."""
    top = np.int64(key >> U(KEY_SHIFT))
    if filter_bits[top >> 3] >> (top & 7) & 1 == 0:
        return 0
    slot = top % keys.size
    while keys[slot] != 0:
        if keys[slot] == key:
            return np.int64(values[slot])
        slot = (slot + 1) % keys.size
    return 0


@compiled
def cues_from(words: Hashes, k: Int, n_words: Int, filter_bits: Bytes, keys: Hashes, values: Ints) -> Int:
    """Cue bits of a plain word and of the phrases that begin with it."""
    phrase, found = words[k], find(filter_bits, keys, values, words[k])
    entry = found
    while entry & CONTINUES and k + 1 < n_words:
        k += 1
        phrase = phrase * GRAM + words[k]
        entry = find(filter_bits, keys, values, phrase)
        found |= entry
    return found & ~CONTINUES


@compiled
def count_cues(
    words: Hashes, kinds: Bytes, n_words: Int, filter_bits: Bytes, keys: Hashes, values: Ints, counts: Bytes
) -> None:
    """Add the cues of plain words and of the phrases that they begin, each count up to 255."""
    for k in range(n_words):
        top = np.int64(words[k] >> U(KEY_SHIFT))
        if kinds[k] & KIND_MASK == PLAIN and filter_bits[top >> 3] >> (top & 7) & 1:
            found = cues_from(words, k, n_words, filter_bits, keys, values)
            cue = 0
            while found:
                if found & 1 and counts[cue] < COUNT_LIMIT:
                    counts[cue] += 1
                found >>= 1
                cue += 1


@compiled
def threshold_of(n_characters: Int) -> np.uint64:
    """Shingles below it are kept: 1/8 of all up to 2,000 characters, half as many for each doubling."""
    threshold = U(1) << U(61)
    limit = FULL_SCALE_CHARACTERS
    while n_characters > limit and threshold > U(1):
        threshold >>= U(1)
        limit *= 2
    return threshold


@compiled
def sketch_rows(
    words: Hashes,
    kinds: Bytes,
    ends: Ints,
    n_characters: Ints,
    weights: Hashes,
    filter_bits: Bytes,
    keys: Hashes,
    values: Ints,
    kept: Hashes,
    kept_ends: Ints,
    materials: Hashes,
    material_ends: Ints,
    hashes: Hashes,
    cells: npt.NDArray[np.int16],
    cues: Bytes,
) -> None:
    """Sketch the words of many prompts, laid out as `scan_rows` does; a prompt without words gets no shingles.

    Fills `kept` and `kept_ends` (shingles), `materials` and `material_ends`, `hashes` (n_rows, 2: skeleton, prompt),
    `cells`, `cues` (n_rows, n_cues).
    """
    sums = np.zeros(N_AXES, dtype=np.int64)
    start = 0
    at: Int = 0
    material_at: Int = 0
    for row in range(ends.size):
        n_words = ends[row] - start
        if n_words:
            own, own_kinds = words[start : ends[row]], kinds[start : ends[row]]
            threshold = threshold_of(n_characters[row])
            at, hashes[row, 1] = keep_shingles(own, n_words, threshold, kept, at)
            material_at = keep_materials(own, own_kinds, n_words, threshold >> U(1), materials, material_at)
            hashes[row, 0] = skeleton_of(own, own_kinds, n_words)
            cells[row] = project(own, own_kinds, n_words, weights, sums)
            count_cues(own, own_kinds, n_words, filter_bits, keys, values, cues[row])
        start = ends[row]
        kept_ends[row] = at
        material_ends[row] = material_at
