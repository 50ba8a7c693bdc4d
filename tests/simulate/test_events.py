"""Event level: what simulate writes."""

import hashlib
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import UsageError
from stillwatch.simulate import Campaign, Settings, World, scenario, simulate
from stillwatch.sources.canonical import REQUIRED, SOURCE


def small_world(**changes: object) -> World:
    """Four days of about 300 honest accounts and one small campaign."""
    honest = scenario("demo").at_scale(0.1).honest
    campaign = Campaign(name="small", n_accounts=12, exchanges_per_day=20.0)
    world = World(honest=honest, campaigns=(campaign,), n_days=4, release_day=2)
    return msgspec.structs.replace(world, **changes)


def digests(folder: Path) -> dict[str, str]:
    """Digest of each file below `folder`."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    simulate(small_world(), seed=7, out_dir=folder)
    return folder


def exchanges(folder: Path) -> pa.Table:
    return pq.read_table(folder / "exchanges")


def test_equal_seeds_write_equal_bytes_and_other_seeds_do_not(small: Path, tmp_path: Path) -> None:
    simulate(small_world(), seed=7, out_dir=tmp_path / "again")
    simulate(small_world(), seed=8, out_dir=tmp_path / "other")
    assert digests(tmp_path / "again") == digests(small)
    assert not set(digests(tmp_path / "other").values()) & set(digests(small).values())


def test_the_canonical_source_takes_every_row(small: Path) -> None:
    n_rows = n_rejects = 0
    for path in sorted((small / "exchanges").glob("*.parquet")):
        with path.open("rb") as stream:
            for parsed in SOURCE.parse(stream, uri=path.name):
                n_rows += parsed.rows.num_rows
                n_rejects += len(parsed.rejects)
    assert (n_rows, n_rejects) == (exchanges(small).num_rows, 0)
    assert set(REQUIRED) <= set(exchanges(small).column_names)


def test_record_ids_are_unique(small: Path) -> None:
    ids = exchanges(small)["source_record_id"]
    assert len(pc.unique(ids)) == len(ids)


def test_every_sender_has_one_truth_and_one_account_and_signed_up_before_it_sent(small: Path) -> None:
    senders = exchanges(small).group_by("account_id").aggregate([("start_time", "min")])
    accounts = pq.read_table(small / "accounts.parquet", columns=["account_id", "created_at"])
    truth = pq.read_table(small / "truth.parquet")
    joined = senders.join(accounts, "account_id", join_type="inner").join(truth, "account_id", join_type="inner")
    assert joined.num_rows == senders.num_rows
    assert pc.all(pc.less_equal(joined["created_at"], joined["start_time_min"])).as_py()


def test_truth_is_either_honest_or_a_campaign(small: Path) -> None:
    truth = pq.read_table(small / "truth.parquet")
    is_campaign = truth["is_campaign"]
    assert pc.sum(is_campaign).as_py() == 12
    assert pc.all(pc.equal(is_campaign, pc.is_valid(truth["campaign_name"]))).as_py()
    assert pc.all(pc.equal(is_campaign, pc.is_null(truth["honest_class"]))).as_py()


def test_every_lookalike_class_occurs_in_the_truth_of_the_groups(small: Path) -> None:
    groups = set(pq.read_table(small / "truth_groups.parquet")["honest_class"].to_pylist())
    assert {kind.honest_class for kind in small_world().honest.lookalikes} <= groups


def test_addresses_and_mail_are_of_reserved_ranges(small: Path) -> None:
    addresses = pc.unique(exchanges(small)["client_address"])
    reserved = r"^(10\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|198\.1[89]\.|172\.(1[6-9]|2[0-9]|3[01])\.|3fff:)"
    assert pc.all(pc.match_substring_regex(addresses, reserved)).as_py()
    emails = pq.read_table(small / "accounts.parquet")["email"]
    assert pc.all(pc.ends_with(emails, ".example")).as_py()


def test_prompts_are_varied_and_campaigns_write_no_more_code_than_developers(small: Path) -> None:
    rows = exchanges(small)
    assert len(pc.unique(rows["prompt"])) > 0.5 * rows.num_rows
    truth = pq.read_table(small / "truth.parquet").select(["account_id", "is_campaign"])
    joined = rows.select(["account_id", "prompt"]).join(truth, "account_id")
    has_code = pc.match_substring_regex(joined["prompt"], "function|class |tests?|bug")
    honest_coders = joined.filter(pc.and_(has_code, pc.invert(joined["is_campaign"])))
    assert honest_coders.num_rows > joined.filter(joined["is_campaign"]).num_rows * 0.3


def test_campaign_prompts_never_carry_a_mark_of_their_own_kind(small: Path) -> None:
    rows = exchanges(small)
    for name in ("prompt", "system_instructions", "tool_definitions", "account_id", "user_agent_original"):
        assert not pc.any(pc.match_substring_regex(rows[name], "(?i)campaign|lookalike|simulat|small$")).as_py()


def test_a_world_without_text_has_the_same_envelope(small: Path, tmp_path: Path) -> None:
    simulate(small_world(), seed=7, out_dir=tmp_path, settings=Settings(no_text=True))
    bare = exchanges(tmp_path)
    assert "prompt" not in bare.column_names
    assert bare.equals(exchanges(small).select(bare.column_names))


def test_prompts_can_be_drawn_from_files(small: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    rows = {
        "role": ["user", "user", "assistant"],
        "kind": ["benign", "coding", "benign"],
        "text": ["an honest prompt", "a campaign prompt", "an answer"],
    }
    pq.write_table(pa.table(rows), library / "prompts.parquet")
    simulate(small_world(), seed=7, out_dir=tmp_path / "out", settings=Settings(prompts=str(library)))
    prompts = exchanges(tmp_path / "out")["prompt"]
    assert pc.all(pc.match_substring_regex(prompts, "an honest prompt|a campaign prompt")).as_py()
    assert not pc.any(pc.match_substring(prompts, "an answer")).as_py()


def test_real_prompt_sets_serve_as_a_library(shared_data: Path, tmp_path: Path) -> None:
    simulate(small_world(), seed=7, out_dir=tmp_path, settings=Settings(prompts=str(shared_data)))
    prompts = exchanges(tmp_path)["prompt"]
    assert len(pc.unique(prompts)) > 0.4 * len(prompts)


def test_a_folder_without_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Parquet file"):
        simulate(small_world(), seed=7, out_dir=tmp_path / "out", settings=Settings(prompts=str(tmp_path)))


def test_progress_is_told_after_each_day(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    made = simulate(
        small_world(), seed=7, out_dir=tmp_path, progress=lambda done, total, rows: seen.append((done, total, rows))
    )
    assert [(done, total) for done, total, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert seen[-1][2] == made.n_exchanges
