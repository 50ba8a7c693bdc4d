from stillwatch.campaigns.settings import Settings
from stillwatch.campaigns.track import Trace, assign_ids, new_campaign_id

SETTINGS = Settings()


def trace(accounts: str, tokens: str = "") -> Trace:
    return Trace(frozenset(accounts), frozenset(tokens))


def test_a_campaign_keeps_its_id_while_it_grows_and_loses_accounts() -> None:
    known = {"c-old": trace("abcdef", "xy")}
    assert assign_ids([trace("cdefghij", "z")], known, SETTINGS) == ["c-old"]


def test_a_campaign_keeps_its_id_by_its_tokens_when_every_account_was_replaced() -> None:
    known = {"c-old": trace("abc", "xy")}
    assert assign_ids([trace("hij", "xyz")], known, SETTINGS) == ["c-old"]


def test_of_two_pieces_the_one_most_like_the_old_campaign_keeps_the_id() -> None:
    known = {"c-old": trace("abcdef")}
    ids = assign_ids([trace("abxy"), trace("cdef")], known, SETTINGS)
    assert ids[1] == "c-old"
    assert ids[0] not in known


def test_unrelated_campaigns_get_new_ids_that_depend_only_on_what_they_are() -> None:
    found = [trace("abc", "x"), trace("def", "y")]
    assert assign_ids(found, {}, SETTINGS) == [new_campaign_id(found[0]), new_campaign_id(found[1])]
    assert assign_ids(found, {"c-old": trace("pqr", "z")}, SETTINGS) == assign_ids(found, {}, SETTINGS)


def test_an_id_is_given_once_even_when_two_finds_are_equally_like_it() -> None:
    ids = assign_ids([trace("ab"), trace("cd")], {"c-old": trace("abcd")}, SETTINGS)
    assert len(set(ids)) == 2
