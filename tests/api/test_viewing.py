"""What the console shows: derived views, graphs, files, places in long listings, search and reveals."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.api.exporting import csv_parts
from stillwatch.api.paging import ARROW
from stillwatch.model.role import Role
from stillwatch.model.tables import CONTENTS
from stillwatch.python_api import Stillwatch
from stillwatch.store.audit import AuditTrail
from stillwatch.store.workspace import Workspace
from tests.api.served import Served, serving, settings
from tests.api.test_reading import pages
from tests.response.worlds import CONFIG
from tests.response.worlds import workspace as found_workspace

HOSTILE = ['=cmd()|" /C calc"!A0', "+1", "-1", "@x", "\tx", "a,b", 'say "x"', "line\nbreak", "plain", "<script>"]
ROUTES = ("timeline", "tokens", "history", "exposure", "exposure/days", "exposure/models", "exposure/accounts")


@pytest.fixture(scope="module")
def watch(found: Served) -> Stillwatch:
    return Stillwatch(found.workspace, CONFIG)


def get(found: Served, path: str, **asked: object) -> Any:
    answer = found[Role.ANALYST].get(path, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("route", ["timeline", "tokens"])
def test_a_view_has_the_rows_of_the_python_api(found: Served, watch: Stillwatch, route: str) -> None:
    answer = found[Role.ANALYST].get(f"/v1/campaigns/c-1/{route}", headers={"accept": ARROW})
    assert pa.ipc.open_stream(answer.content).read_all().equals(getattr(watch.views, route)("c-1"))


@pytest.mark.parametrize("route", [*ROUTES, "evidence", "graph", "sharing?to=lab-b"])
def test_a_campaign_that_is_none_is_a_404_everywhere(found: Served, route: str) -> None:
    answer = found[Role.ANALYST].get(f"/v1/campaigns/c-none/{route}")
    assert (answer.status_code, set(answer.json())) == (404, {"error"})


def test_the_overview_adds_up(found: Served, watch: Stillwatch) -> None:
    said = get(found, "/v1/overview")
    assert said["run"]["run_id"] == watch.runs().table["run_id"][-1].as_py()
    assert said["campaigns"]["by_tier"] == {"accuse": 1}
    assert said["n_exchanges"] == sum(day["n_exchanges"] for day in said["days"]) == 66 * 5
    assert said["flagged_share"] == said["n_flagged_exchanges"] / said["n_exchanges"]
    assert said["days"] == get(found, "/v1/days")["rows"]


def test_an_overview_without_a_run_says_so_and_is_no_error(shared: Served) -> None:
    assert get(shared, "/v1/overview")["run"] is None


def test_evidence_goes_step_by_step_from_zero_to_the_score(found: Served) -> None:
    said = get(found, "/v1/campaigns/c-1/evidence")
    steps = said["steps"]
    assert [step["start"] for step in steps] == [0.0, *(step["end"] for step in steps[:-1])]
    assert steps[-1]["end"] == pytest.approx(said["score"])
    assert [step["name"] for step in steps] == ["size, volume, tests", "day_homogeneity", "other signals"]
    assert steps[1]["innocent_cause"]
    assert said["lookalike"] == {"name": "class", "margin": 1.0, "point": 8.0}


# -- graphs -----------------------------------------------------------------------------------------------------------


def test_the_graph_shows_as_many_accounts_as_the_listing_has(found: Served) -> None:
    listed = get(found, "/v1/accounts", campaign_id="c-1", limit=1)["total"]
    for level in ("groups", "accounts"):
        said = get(found, "/v1/campaigns/c-1/graph", level=level)
        assert (said["accounts_shown"], said["accounts_total"]) == (listed, listed)
        assert len(said["nodes"]["x"]) == said["nodes_shown"]
        assert len(said["edges"]["source"]) == said["edges_shown"] == said["edges_total"]


def test_a_graph_in_arrow_tells_its_counts_beside_its_rows(found: Served) -> None:
    params = {"level": "accounts", "part": "edges"}
    answer = found[Role.ANALYST].get("/v1/campaigns/c-1/graph", params=params, headers={"accept": ARROW})
    edges = pa.ipc.open_stream(answer.content).read_all()
    told = json.loads(edges.schema.metadata[b"stillwatch"])
    assert told["edges_shown"] == edges.num_rows == 26 + 24 + 24


def test_why_two_accounts_are_linked_is_what_both_carry(found: Served) -> None:
    links = pages(found, "/v1/campaigns/c-1/graph/links", first="bad-00", second="odd-00")
    assert [(row["token_kind"], row["n_members"], row["n_honest"]) for row in links] == [("skeleton", 26, 0)]
    assert len(pages(found, "/v1/campaigns/c-1/graph/links", first="bad-00", second="bad-01")) == 3


def test_gexf_holds_every_node_and_edge_and_says_how_many(found: Served) -> None:
    answer = found[Role.ANALYST].get("/v1/campaigns/c-1/graph", params={"level": "accounts", "format": "gexf"})
    space = {"g": "http://gexf.net/1.3"}
    document = ET.fromstring(answer.content)
    n = len(document.findall(".//g:node", space)) + len(document.findall(".//g:edge", space))
    assert n == int(answer.headers["x-stillwatch-rows"]) == 26 + 3 + 74


def test_hostile_names_are_inert_in_gexf() -> None:
    from stillwatch.api.graphing import gexf_parts
    from tests.pipeline.test_view_graph import members

    rows = members([(number, "ja4", 1) for number in range(len(HOSTILE))])
    names = [*HOSTILE[:-1], "\x00\u202e</node>"]
    rows = rows.set_column(2, "account_id", pa.array(names))
    from stillwatch.model.tables import ACCOUNT_FINDINGS
    from stillwatch.pipeline.views.graph import lay_out

    body = b"".join(gexf_parts(lay_out(rows, ACCOUNT_FINDINGS.empty()).cut("accounts")))
    labels = {node.get("label") for node in ET.fromstring(body).iter("{http://gexf.net/1.3}node")}
    assert {'=cmd()|" /C calc"!A0', "\\u0000\\u202e</node>"} <= labels


# -- files ------------------------------------------------------------------------------------------------------------


def names_in(form: str, body: bytes) -> list[str]:
    """The account ids of a listing in a file."""
    if form == "csv":
        return [row["account_id"] for row in csv.DictReader(io.StringIO(body.decode()))]
    if form == "json":
        return [row["account_id"] for row in json.loads(body)["rows"]]
    if form == "jsonl":
        return [json.loads(line)["account_id"] for line in body.splitlines()]
    read = pq.read_table(io.BytesIO(body)) if form == "parquet" else pa.ipc.open_stream(body).read_all()
    names: list[str] = read["account_id"].to_pylist()
    return names


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "parquet", "arrow"])
def test_a_listing_as_a_file_is_whole_counted_and_audited(found: Served, watch: Stillwatch, form: str) -> None:
    params = {"format": form, "tier": "none", "limit": 3}
    answer = found[Role.ANALYST].get("/v1/accounts", params=params)
    wanted = [row["account_id"] for row in watch.accounts().table.to_pylist() if row["tier"] == "none"]
    body = answer.content
    assert names_in(form, body) == wanted
    assert int(answer.headers["x-stillwatch-rows"]) == len(wanted)
    assert f".{form}" in answer.headers["content-disposition"]
    subjects = [row["subject"] or "" for row in AuditTrail(found.workspace.state).entries().to_pylist()]
    assert any(said.startswith("export of accounts-") and said.endswith(f"{len(wanted)} rows as {form}")
               for said in subjects)  # fmt: skip


def test_what_a_spreadsheet_would_run_is_text_in_csv_and_lists_are_joined() -> None:
    rows = pa.table({"name": HOSTILE, "many": [[name, "x"] for name in HOSTILE], "n": list(range(len(HOSTILE)))})
    body = b"".join(csv_parts(rows)).decode()
    read = list(csv.DictReader(io.StringIO(body, newline="")))
    assert len(read) == len(HOSTILE)
    for row, name in zip(read, HOSTILE, strict=True):
        quoted = f"'{name}" if name[0] in "=+-@\t" else name
        assert (row["name"], row["many"]) == (quoted, f"{quoted};x")


def test_an_empty_listing_as_a_file_still_has_its_header(found: Served) -> None:
    answer = found[Role.ANALYST].get("/v1/disclosures", params={"format": "csv"})
    assert answer.text.startswith('"record_id","at"')
    assert answer.headers["x-stillwatch-rows"] == "0"
    assert found[Role.ANALYST].get("/v1/disclosures", params={"format": "json"}).json()["rows"] == []


# -- places in long listings ------------------------------------------------------------------------------------------


def test_a_page_at_a_place_goes_on_with_the_cursor_as_if_read_from_the_start(found: Served, watch: Stillwatch) -> None:
    wanted = watch.accounts().table["account_id"].to_pylist()
    first = get(found, "/v1/accounts", at=20, limit=7)
    assert (first["at"], first["total"]) == (20, len(wanted))
    second = get(found, "/v1/accounts", cursor=first["next"], limit=7)
    assert second["at"] == 27
    assert [row["account_id"] for row in first["rows"] + second["rows"]] == wanted[20:34]
    assert get(found, "/v1/accounts", at=10**6)["rows"] == []


def test_a_sorted_and_filtered_listing_is_cut_without_gaps(found: Served, watch: Stillwatch) -> None:
    rows = pages(found, "/v1/accounts", sort="-account_id", tier="none", limit=7)
    table = watch.accounts().table.to_pylist()
    assert [row["account_id"] for row in rows] == sorted(r["account_id"] for r in table if r["tier"] == "none")[::-1]
    sums = pages(found, "/v1/campaigns/c-1/tokens", sort="n_members", limit=1)
    assert [row["n_members"] for row in sums] == [24, 24, 26]


@pytest.mark.parametrize("query", ["sort=nothing", "sort=reasons", "at=-1", "at=1&cursor=x", "format=exe"])
def test_a_wrong_order_place_or_form_is_refused(found: Served, query: str) -> None:
    assert found[Role.ANALYST].get(f"/v1/accounts?{query}").status_code == 422


# -- search and reveals -----------------------------------------------------------------------------------------------


def test_search_finds_accounts_campaigns_and_tokens_and_pivots_to_holders(found: Served) -> None:
    assert get(found, "/v1/search", q="BAD-", limit=3)["accounts"]["n"] == 24
    assert get(found, "/v1/search", q="bad-07")["accounts"]["rows"][0]["account_id"] == "bad-07"
    assert get(found, "/v1/search", q="c-1")["campaigns"]["n"] == 1
    (token,) = get(found, "/v1/search", q="ja4:33")["tokens"]["rows"]
    assert token == {"token_kind": "ja4", "token": "33", "campaign_id": "c-1", "n_members": 24}
    holders = pages(found, f"/v1/tokens/{token['token_kind']}/{token['token']}/accounts")
    assert {row["account_id"] for row in holders} == {f"bad-{n:02}" for n in range(24)} | {"odd-00", "odd-01"}
    everybody = get(found, "/v1/tokens/tools/55/accounts", tier="none")
    assert everybody["total"] == 40
    assert get(found, "/v1/search", q="a.*(")["accounts"]["n"] == 0


@pytest.fixture
def kept(tmp_path: Path) -> Served:
    made = found_workspace(tmp_path / "kept")
    now = datetime.now(UTC)
    rows = [
        {"day": date(2026, 5, 9), "content_ref": ref, "kind": "input_messages", "body": "<script>x</script>",
         "n_chars": 18, "ingested_at": now, "expires_at": now + timedelta(days=days)}
        for ref, days in (("ref-1", 3), ("ref-old", -1))
    ]  # fmt: skip
    with made.lake.write() as writer:
        writer.append(CONTENTS, pa.Table.from_pylist(rows, schema=CONTENTS.schema))
        writer.commit()
    with serving(made, settings(drain=False)) as running:
        yield running


def test_a_text_is_opened_by_name_with_a_reason_and_leaves_two_records(kept: Served) -> None:
    answer = kept[Role.ANALYST].post("/v1/contents/ref-1/reveal", json={"reason": "is it a class?"})
    assert (answer.status_code, answer.json()["body"]) == (201, "<script>x</script>")
    assert answer.headers["content-type"] == "application/json"
    (entry,) = kept.workspace.ledger.entries("content.revealed")
    assert json.loads(entry.body)["reason"] == "is it a class?"
    assert "test analyst (key " in json.loads(entry.body)["actor"]
    rows = AuditTrail(kept.workspace.state).entries().to_pylist()
    assert [row["subject"] for row in rows if row["route"].endswith("/reveal")] == ["ref-1"]


def test_no_text_is_opened_without_a_reason_a_role_or_after_it_expired(kept: Served) -> None:
    path = "/v1/contents/ref-1/reveal"
    for role, sent, ref, status in (
        (Role.ANALYST, {}, path, 422), (Role.ANALYST, {"reason": "  "}, path, 422),
        (Role.INGEST, {"reason": "x"}, path, 403), (Role.PEER, {"reason": "x"}, path, 403),
        (Role.ANALYST, {"reason": "x"}, "/v1/contents/ref-old/reveal", 404),
        (Role.ANALYST, {"reason": "x"}, "/v1/contents/none/reveal", 404),
    ):  # fmt: skip
        answer = kept[role].post(ref, json=sent)
        assert answer.status_code == status
        assert "script" not in answer.text
    assert kept.workspace.ledger.entries("content.revealed") == []


def test_a_preview_of_sharing_shows_what_would_leave_and_records_nothing(found: Served) -> None:
    said = get(found, "/v1/campaigns/c-1/sharing", to="lab-b")
    assert said["n_objects"] == len(said["objects"]) > 0
    assert sum(said["counts"].values()) == len(said["decisions"])
    assert get(found, "/v1/disclosures")["total"] == 0
    assert not any("bad-0" in json.dumps(one) for one in said["objects"])


def test_a_run_that_is_made_again_is_read_again(tmp_path: Path) -> None:
    from tests.response.worlds import Found, again, store

    made: Workspace = found_workspace(tmp_path / "again")
    with serving(made, settings(drain=False)) as running:
        assert get(running, "/v1/accounts", tier="accuse")["total"] == 24
        store(made, again(Found(), accused=("bad-00",)))
        assert get(running, "/v1/accounts", tier="accuse")["total"] == 1
