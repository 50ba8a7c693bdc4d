"""The grouping stage: daily token uses in, slices and proposed groups out."""

from stillwatch.engines import Engine
from stillwatch.grouping.bins import slice_bins
from stillwatch.grouping.groups import groups, groups_table, members_table, proposed_members
from stillwatch.grouping.linked import linked_pairs
from stillwatch.grouping.pairs import account_codes, traffic_pairs, whole_account_pairs, within_days
from stillwatch.grouping.popularity import popular_tokens
from stillwatch.grouping.settings import Settings
from stillwatch.grouping.slices import all_slices, slice_sources
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNTS, GROUP_MEMBERS, GROUPS, SLICE_BINS, SLICES, TOKEN_USES

READS = (TOKEN_USES, ACCOUNT_DAYS, ACCOUNTS)
WRITES = (SLICES, SLICE_BINS, GROUPS, GROUP_MEMBERS)


def run(tables: Tables, run: Run, *, engine: Engine, settings: Settings) -> Tables:
    """Slices of the window, their histograms, and the groups G1 to G4 with their members.

    Days of `token_uses` and `account_days` before the window may be given: they date the onset of an account with a
    token and tell which tokens are older than the window, and add to nothing else. Later days are ignored. Ids are
    ranks in the order of what they name, so equal input gives equal ids on every engine.
    """
    uses = within_days(tables["token_uses"], run)
    codes = engine.materialize(account_codes(uses, tables["account_days"]))
    traffic = traffic_pairs(uses, codes, run, engine=engine, settings=settings)
    whole = whole_account_pairs(tables, codes, run, engine=engine, settings=settings)
    pairs = traffic.union(whole)
    links = linked_pairs(pairs, codes, engine=engine, settings=settings)
    slices = engine.materialize(all_slices(pairs, links, codes, tables["accounts"], run=run, settings=settings))
    popular = engine.materialize(popular_tokens(slices, settings))
    proposed = proposed_members(slices, popular, settings)
    keyed = engine.materialize(groups(proposed, popular))
    members = engine.materialize(members_table(proposed, keyed))
    sources = engine.materialize(slice_sources(slices.semi_join(members, "slice_id"), links))
    return {
        "slices": slices.select(*SLICES.schema.names),
        "slice_bins": slice_bins(tables, sources, run, engine=engine),
        "groups": groups_table(keyed),
        "group_members": members,
    }
