"""What a deployment may choose about the proposal of groups."""

import msgspec

from stillwatch.model.capability import Capability


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of slices, groups and strata.

    `min_adopters`: a token used by fewer accounts makes no slices. `min_accounts`: smallest group, and smallest
    document frequency of a shingle that is looked at.

    A token is *popular*, and judged by strata as well, from `popular_accounts` adopters on: see `grouping.popularity`.
    `n_cohorts` equal parts of the window are the onset cohorts; `target_edges` cut the share of target capabilities
    and `volume_edges` the exchanges of a slice. Volume bands are wide (a factor of 8), because a narrow band would
    make every stratum look balanced. With `mixed_volume_share` see there too.

    `rare_accounts`, `min_shared` and `max_pairs` bound the links of G3: accounts are linked by `min_shared` rare
    tokens, and the document frequency that counts as rare is lowered until all pairs fit in `max_pairs`. A component
    over `community_accounts` is cut by Leiden (G4) with `seed`.

    `remainder_share`: what those in accused groups and the others must both be, of a token's adopters, for the others
    to be judged again; `remainder_accounts`: how many these must be. Honest groups that score high are small.

    The defaults are those of the measured prototype, except `n_cohorts`, the edges, `max_pairs` and the remainders',
    which are judgements.
    """

    min_adopters: int = 2
    min_accounts: int = 5
    popular_accounts: int = 100
    n_popular_strata: int = 3
    popular_stratum_share: float = 0.1
    n_cohorts: int = 3
    target_edges: tuple[float, ...] = (1 / 3, 2 / 3)
    volume_edges: tuple[int, ...] = (4, 32, 256)
    mixed_volume_share: float = 0.1
    target_capabilities: tuple[Capability, ...] = (
        Capability.AGENTIC_REASONING,
        Capability.SOFTWARE_ENGINEERING,
        Capability.LONG_HORIZON_PLANNING,
    )
    rare_accounts: int = 50
    min_shared: int = 2
    max_pairs: int = 5_000_000
    community_accounts: int = 5000
    seed: int = 0
    remainder_share: float = 0.1
    remainder_accounts: int = 20
