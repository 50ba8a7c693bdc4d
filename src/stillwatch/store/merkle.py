"""Merkle trees as RFC 6962 and RFC 9162 define them: SHA-256, leaves and inner nodes told apart by their first byte.

A tree of any size is a few *perfect* subtrees side by side. Each is named by its level and its place on that level, and
never changes once it is full; everything else is folded from them.

References:
    Laurie, Langley, Kasper (2013), RFC 6962, sections 2.1 to 2.1.2 (definitions).
    Laurie, Messeri, Stradling (2021), RFC 9162, sections 2.1.3.2 and 2.1.4.2 (the two verifications).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""

Place = tuple[int, int]
"""Level (0: leaves) and index of a perfect subtree, both from 0."""

Lookup = Callable[[Iterable[Place]], dict[Place, bytes]]
"""Hashes of perfect subtrees by place; asked once for all that a proof needs."""


def leaf_hash(content: bytes) -> bytes:
    """Hash of a leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def peaks(begin: int, end: int) -> list[Place]:
    """The fewest perfect subtrees that hold the leaves `[begin, end)`, left to right.

    `begin` is a multiple of the largest power of two below `end - begin`, as it is for every subtree of a Merkle tree.
    """
    found = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        found.append((level, begin >> level))
        begin += 1 << level
    return found


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root over perfect subtrees of falling size, left to right; `EMPTY_ROOT` for none."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def completed(leaf: bytes, index: int, left_of: Callable[[Place], bytes]) -> list[bytes]:
    """Hashes of the perfect subtrees that leaf `index` completes, from the leaf itself (level 0) upwards.

    `left_of(place)` is the hash of an earlier perfect subtree. On average one inner node is completed with each leaf.
    """
    hashes = [leaf]
    while (index >> (len(hashes) - 1)) & 1:
        level = len(hashes) - 1
        hashes.append(node_hash(left_of((level, (index >> level) - 1)), hashes[-1]))
    return hashes


def root(size: int, lookup: Lookup) -> bytes:
    """Root of the tree of the first `size` leaves."""
    places = peaks(0, size)
    hashes = lookup(places)
    return fold([hashes[place] for place in places])


def inclusion_proof(index: int, size: int, lookup: Lookup) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves (PATH): at most ceil(log2(size)) hashes."""
    return _folded(_path(index, size), lookup)


def consistency_proof(first: int, second: int, lookup: Lookup) -> list[bytes]:
    """What shows that the tree of `first` leaves is a beginning of that of `second`: PROOF of RFC 6962, 0 < first."""
    return _folded(_subproof(first, second), lookup)


def _path(index: int, size: int) -> list[tuple[int, int]]:
    """Leaf ranges whose roots are the audit path, lowest first."""
    begin, end, path = 0, size, []
    while end - begin > 1:
        split = begin + _largest_power_below(end - begin)
        if index < split:
            path.append((split, end))
            end = split
        else:
            path.append((begin, split))
            begin = split
    return path[::-1]


def _subproof(first: int, second: int) -> list[tuple[int, int]]:
    begin, end, proof = 0, second, []
    while first != end:
        split = begin + _largest_power_below(end - begin)
        if first <= split:
            proof.append((split, end))
            end = split
        else:
            proof.append((begin, split))
            begin = split
    if begin:
        proof.append((begin, end))
    return proof[::-1]


def _largest_power_below(n: int) -> int:
    return 1 << ((n - 1).bit_length() - 1)


def _folded(ranges: list[tuple[int, int]], lookup: Lookup) -> list[bytes]:
    places = [peaks(begin, end) for begin, end in ranges]
    hashes = lookup(place for found in places for place in found)
    return [fold([hashes[place] for place in found]) for found in places]


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That the leaf at `index` (from 0) is in the tree of `size` leaves."""

    index: int
    size: int
    path: tuple[bytes, ...]

    def holds(self, leaf: bytes, root: bytes) -> bool:
        """Whether the proof leads from the leaf's hash to the root (RFC 9162, section 2.1.3.2)."""
        if not 0 <= self.index < self.size:
            return False
        at, last, found = self.index, self.size - 1, leaf
        for sibling in self.path:
            if last == 0:
                return False
            if at & 1 or at == last:
                found = node_hash(sibling, found)
                while not at & 1 and at:
                    at, last = at >> 1, last >> 1
            else:
                found = node_hash(found, sibling)
            at, last = at >> 1, last >> 1
        return last == 0 and found == root


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the tree of `first` leaves is a beginning of the tree of `second`."""

    first: int
    second: int
    path: tuple[bytes, ...]

    def holds(self, first_root: bytes, second_root: bytes) -> bool:
        """Whether both roots follow from the proof (RFC 9162, section 2.1.4.2)."""
        if not 0 <= self.first <= self.second:
            return False
        if self.first in (0, self.second):
            return not self.path and first_root == (EMPTY_ROOT if self.first == 0 else second_root)
        path = [first_root, *self.path] if self.first & (self.first - 1) == 0 else list(self.path)
        return bool(path) and self._climbs(path, first_root, second_root)

    def _climbs(self, path: list[bytes], first_root: bytes, second_root: bytes) -> bool:
        at, last = self.first - 1, self.second - 1
        while at & 1:
            at, last = at >> 1, last >> 1
        old = new = path[0]
        for sibling in path[1:]:
            if last == 0:
                return False
            if at & 1 or at == last:
                old, new = node_hash(sibling, old), node_hash(sibling, new)
                while not at & 1 and at:
                    at, last = at >> 1, last >> 1
            else:
                new = node_hash(new, sibling)
            at, last = at >> 1, last >> 1
        return last == 0 and old == first_root and new == second_root
