import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.store import merkle
from stillwatch.store.merkle import Consistency, Inclusion, Place

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
"""Leaves, roots and proofs below: the test vectors of the reference implementation of RFC 6962 (Certificate
Transparency, merkle_tree_test)."""

ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSIONS = {
    (0, 1): [],
    (0, 8): ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"],
    (5, 8): ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
}  # fmt: skip
CONSISTENCIES = {
    (1, 1): [],
    (1, 8): ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"],
    (6, 8): ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
    (2, 5): ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
}  # fmt: skip


class Tree:
    """Leaves with the hashes of all perfect subtrees in memory."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.nodes: dict[Place, bytes] = {}
        for index, leaf in enumerate(leaves):
            for level, digest in enumerate(merkle.completed(merkle.leaf_hash(leaf), index, self.nodes.__getitem__)):
                self.nodes[level, index >> level] = digest

    def __call__(self, places: object) -> dict[Place, bytes]:
        return {place: self.nodes[place] for place in places}


def split(leaves: list[bytes]) -> int:
    """The largest power of two below their number, found by counting."""
    power = 1
    while power * 2 < len(leaves):
        power *= 2
    return power


def reference_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = split(leaves)
    return hashlib.sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


def reference_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(leaves)
    if m < k:
        return [*reference_path(m, leaves[:k]), reference_root(leaves[k:])]
    return [*reference_path(m - k, leaves[k:]), reference_root(leaves[:k])]


def reference_proof(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [reference_root(leaves)]
    k = split(leaves)
    if m <= k:
        return [*reference_proof(m, leaves[:k], whole), reference_root(leaves[k:])]
    return [*reference_proof(m - k, leaves[k:], False), reference_root(leaves[:k])]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_published_vectors(size: int) -> None:
    assert merkle.root(size, Tree(LEAVES)).hex() == ROOTS[size]


@pytest.mark.parametrize(("at", "path"), INCLUSIONS.items())
def test_inclusion_proofs_are_those_of_the_published_vectors(at: tuple[int, int], path: list[str]) -> None:
    index, size = at
    made = merkle.inclusion_proof(index, size, Tree(LEAVES))
    assert [digest.hex() for digest in made] == path
    assert Inclusion(index, size, tuple(made)).holds(merkle.leaf_hash(LEAVES[index]), bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("at", "path"), CONSISTENCIES.items())
def test_consistency_proofs_are_those_of_the_published_vectors(at: tuple[int, int], path: list[str]) -> None:
    first, second = at
    made = merkle.consistency_proof(first, second, Tree(LEAVES))
    assert [digest.hex() for digest in made] == path
    assert Consistency(first, second, tuple(made)).holds(bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second]))


leaf_lists = st.lists(st.binary(max_size=4), min_size=1, max_size=65)


@settings(max_examples=150, deadline=None)
@given(leaves=leaf_lists, data=st.data())
def test_roots_and_proofs_equal_the_recursive_definition(leaves: list[bytes], data: st.DataObject) -> None:
    tree, size = Tree(leaves), data.draw(st.integers(1, len(leaves)))
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert merkle.root(size, tree) == reference_root(leaves[:size])
    assert merkle.inclusion_proof(index, size, tree) == reference_path(index, leaves[:size])
    assert merkle.consistency_proof(first, size, tree) == reference_proof(first, leaves[:size])


@settings(max_examples=150, deadline=None)
@given(leaves=st.lists(st.integers(0, 2**60).map(lambda n: b"%d" % n), min_size=2, max_size=40, unique=True),
       data=st.data())  # fmt: skip
def test_a_changed_inclusion_proof_does_not_hold(leaves: list[bytes], data: st.DataObject) -> None:
    tree, size = Tree(leaves), len(leaves)
    index = data.draw(st.integers(0, size - 1))
    path, root = merkle.inclusion_proof(index, size, tree), merkle.root(size, tree)
    leaf = merkle.leaf_hash(leaves[index])
    place = data.draw(st.integers(0, len(path) - 1))
    flipped = [*path[:place], bytes([path[place][0] ^ 1]) + path[place][1:], *path[place + 1 :]]
    wrong = [
        Inclusion(index, size, tuple(flipped)),
        Inclusion(index, size, tuple(path[:-1])),
        Inclusion(index, size, (*path, root)),
        Inclusion((index + 1) % size, size, tuple(path)),
        Inclusion(index - size, size, tuple(path)),
        Inclusion(size, size, tuple(path)),
    ]
    assert not any(proof.holds(leaf, root) for proof in wrong)
    assert not Inclusion(index, size, tuple(path)).holds(merkle.leaf_hash(b"other"), root)


@settings(max_examples=150, deadline=None)
@given(n=st.integers(2, 40), data=st.data())
def test_a_forked_log_has_no_consistency_proof_that_holds(n: int, data: st.DataObject) -> None:
    leaves = [b"%d" % number for number in range(n)]
    first = data.draw(st.integers(1, n - 1))
    changed = data.draw(st.integers(0, first - 1))
    fork = Tree([*leaves[:changed], b"forged", *leaves[changed + 1 :]])
    path = tuple(merkle.consistency_proof(first, n, fork))
    honest_root, forked_root = merkle.root(first, Tree(leaves)), merkle.root(n, fork)
    assert not Consistency(first, n, path).holds(honest_root, forked_root)
    assert not Consistency(first, n, path[:-1]).holds(merkle.root(first, fork), forked_root)
    assert not Consistency(n, first, path).holds(forked_root, honest_root)


def test_every_log_goes_on_from_the_empty_one_and_from_itself() -> None:
    root = bytes.fromhex(ROOTS[5])
    assert Consistency(0, 5, ()).holds(merkle.EMPTY_ROOT, root)
    assert Consistency(5, 5, ()).holds(root, root)
    assert not Consistency(0, 5, ()).holds(root, root)
    assert not Consistency(5, 5, ()).holds(bytes.fromhex(ROOTS[4]), root)
