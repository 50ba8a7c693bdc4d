import numpy as np

from stillwatch.campaigns.assemble import campaign_of_group
from stillwatch.campaigns.settings import Settings


def campaigns(*groups: set[int], reviewed: tuple[int, ...] = ()) -> list[int]:
    group = np.array([number for number, members in enumerate(groups) for _ in members], dtype=np.int64)
    account = np.array([member for members in groups for member in sorted(members)], dtype=np.int64)
    n_accounts = int(account.max()) + 1
    is_accused = np.array([number not in reviewed for number in range(len(groups))])
    return campaign_of_group(group, account, is_accused=is_accused, n_accounts=n_accounts, settings=Settings()).tolist()


def test_groups_that_share_members_are_one_campaign() -> None:
    assert campaigns({1, 2, 3, 4, 5}, {3, 4, 5, 6, 7}, {20, 21, 22, 23, 24}) == [0, 0, 1]


def test_a_group_under_review_does_not_join_two_campaigns_but_goes_with_the_one_it_shares_most_with() -> None:
    first, second = set(range(10)), set(range(10, 30))
    assert campaigns(first, second, {8, 9, 10, 11, 12, 13}, reviewed=(2,)) == [0, 1, 1]


def test_groups_under_review_that_touch_no_campaign_are_put_together() -> None:
    assert campaigns({1, 2, 3}, {5, 6, 7}, {6, 7, 8}, {7, 8, 9}, reviewed=(1, 2, 3)) == [0, 1, 1, 1]


def test_a_group_under_review_does_not_draw_others_into_its_campaign() -> None:
    assert campaigns({1, 2, 3}, {2, 3, 8, 9}, {8, 9, 10}, reviewed=(1, 2)) == [0, 0, 1]


def test_one_shared_account_joins_nothing() -> None:
    assert campaigns({1, 2, 3, 4, 5}, {5, 6, 7, 8, 9}) == [0, 1]


def test_a_chance_overlap_of_large_groups_joins_nothing() -> None:
    assert campaigns(set(range(100)), set(range(95, 195))) == [0, 1]


def test_many_small_templates_of_one_queue_chain_to_one_campaign() -> None:
    rng = np.random.default_rng(5)
    groups = [set(rng.choice(40, size=8, replace=False).tolist()) for _ in range(60)]
    assert set(campaigns(*groups)) == {0}
