import numpy as np

from stillwatch.campaigns.assemble import campaign_of_group
from stillwatch.campaigns.settings import Settings


def campaigns(*groups: set[int]) -> list[int]:
    group = np.array([number for number, members in enumerate(groups) for _ in members], dtype=np.int64)
    account = np.array([member for members in groups for member in sorted(members)], dtype=np.int64)
    n_accounts = int(account.max()) + 1
    return campaign_of_group(group, account, n_groups=len(groups), n_accounts=n_accounts, settings=Settings()).tolist()


def test_groups_that_share_members_are_one_campaign() -> None:
    assert campaigns({1, 2, 3, 4, 5}, {3, 4, 5, 6, 7}, {20, 21, 22, 23, 24}) == [0, 0, 1]


def test_one_shared_account_joins_nothing() -> None:
    assert campaigns({1, 2, 3, 4, 5}, {5, 6, 7, 8, 9}) == [0, 1]


def test_a_chance_overlap_of_large_groups_joins_nothing() -> None:
    assert campaigns(set(range(100)), set(range(95, 195))) == [0, 1]


def test_many_small_templates_of_one_queue_chain_to_one_campaign() -> None:
    rng = np.random.default_rng(5)
    groups = [set(rng.choice(40, size=8, replace=False).tolist()) for _ in range(60)]
    assert set(campaigns(*groups)) == {0}
