"""Lists: each format's loader, snapshots and their differences."""

import gzip
import json
from datetime import date
from pathlib import Path

import pytest

from stillwatch.errors import ListError
from stillwatch.screening.countries import country_code
from stillwatch.screening.listed import Entry
from stillwatch.screening.lists import ListFormat, detect_format, read_list
from stillwatch.screening.names import Kind
from stillwatch.screening.snapshots import Snapshots

CSL_HEADER = (
    "source,entity_number,type,programs,name,title,addresses,start_date,end_date,remarks,alt_names,citizenships,"
    "nationalities,ids"
)
CSL_ROWS = (
    'Entity List (EL) - Commerce,,,,Zorvanek LLC,,"1 Salt Rd, Tehran, IR; 2 Quay, Dubai, AE",2020-01-02,,,'
    '"Zorva; ZQ Trading",,,\n'
    'Specially Designated Nationals (SDN) - Treasury,77,Individual,SDGT; IRAN,"VEXLEY, Tam",,,,,,,SY,,'
    '"AB12345, SY, Passport"\n'
)
CSL_JSON = {
    "results": [
        {
            "source": "Entity List (EL) - Commerce", "entity_number": None, "type": None, "programs": [],
            "name": "Zorvanek LLC", "start_date": "2020-01-02", "end_date": None, "alt_names": ["Zorva", "ZQ Trading"],
            "addresses": [
                {"address": "1 Salt Rd", "city": "Tehran", "state": None, "postal_code": None, "country": "IR"},
                {"address": "2 Quay", "city": "Dubai", "state": None, "postal_code": None, "country": "AE"},
            ],
        },
        {
            "source": "Specially Designated Nationals (SDN) - Treasury", "entity_number": 77, "type": "Individual",
            "programs": ["SDGT", "IRAN"], "name": "VEXLEY, Tam", "addresses": [], "citizenships": ["SY"],
            "ids": [{"type": "Passport", "number": "AB12345", "country": "SY"}],
        },
    ]
}  # fmt: skip


def written(folder: Path, name: str, body: str) -> Path:
    (folder / name).write_text(body, encoding="utf-8")
    return folder / name


def test_the_consolidated_list_is_the_same_from_csv_and_from_json(tmp_path: Path) -> None:
    as_csv = read_list(written(tmp_path, "csl.csv", f"{CSL_HEADER}\n{CSL_ROWS}"), "csl")
    as_json = read_list(written(tmp_path, "csl.json", json.dumps(CSL_JSON)), "csl")
    assert as_csv == as_json
    person = next(entry for entry in as_csv if entry.kind is Kind.PERSON)
    assert (person.entry_id, person.countries, person.identifiers) == ("SDN-77", ("SY",), ("AB12345",))
    company = next(entry for entry in as_csv if entry is not person)
    assert (company.aliases, company.countries) == (("Zorva", "ZQ Trading"), ("AE", "IR"))


def test_ofac_takes_aliases_and_addresses_from_the_files_beside_it(tmp_path: Path) -> None:
    written(tmp_path, "alt.csv", '9,1,"aka","ZORVA",-0- \n')
    written(tmp_path, "add.csv", '9,1,"1 Quay","Havana","Cuba",-0- \n')
    tail = ",-0- " * 7
    body = f'9,"ZORVANEK, Ana","individual","CUBA] [SDNT",-0- {tail}\n10,"VEXLEY",-0- ,"CUBA",-0- {tail}\n'
    person, company = sorted(
        read_list(written(tmp_path, "sdn.csv", body), "ofac"), key=lambda one: one.kind, reverse=True
    )
    assert (person.aliases, person.countries, person.programmes) == (("ZORVA",), ("CU",), ("CUBA", "SDNT"))
    assert person.addresses == ("1 Quay, Havana, Cuba",)
    assert company.kind is Kind.ORGANISATION


def test_a_denied_person_is_one_entry_with_all_addresses_until_the_order_ends(tmp_path: Path) -> None:
    header = '"Name"\t"Street_Address"\t"City"\t"State"\t"Country"\t"Postal_Code"\t"Effective_Date"\t"Expiration_Date"'
    rows = [f'"TAM VEXLEY"\t"{street}"\t"DUBAI"\t""\t"AE"\t""\t"10/16/2017"\t"10/13/2030"' for street in ("A 1", "B 2")]
    (entry,) = read_list(written(tmp_path, "dpl.txt", "\n".join([header, *rows])), "dpl")
    assert len(entry.addresses) == 2
    assert entry.is_in_force(date(2030, 10, 13))
    assert not entry.is_in_force(date(2030, 10, 14))


def test_opensanctions_entities_and_simple_table(tmp_path: Path) -> None:
    lines = [
        {"id": "Q1", "schema": "Person", "properties": {"name": ["Tam Vexley"], "alias": ["T. V."], "country": ["sy"]}},
        {"id": "A1", "schema": "Address", "properties": {"full": ["1 Quay"]}},
    ]
    (entry,) = read_list(written(tmp_path, "e.json", "\n".join(map(json.dumps, lines))), "os")
    assert (entry.entry_id, entry.aliases, entry.countries) == ("Q1", ("T. V.",), ("SY",))
    table = "id,schema,name,aliases,countries,addresses\nQ2,Company,Zorvanek,ZQ;ZT,ir;ae,1 Quay\n"
    (entry,) = read_list(written(tmp_path, "t.csv", table), "os")
    assert (entry.kind, entry.aliases, entry.countries) == (Kind.ORGANISATION, ("ZQ", "ZT"), ("AE", "IR"))


@pytest.mark.parametrize(
    "body", ["", "name\n", "a,b\n1,2\n", '{"results": 3}', "not a list", '{"schema": "Person", "x"']
)
def test_what_is_no_list_is_refused(tmp_path: Path, body: str) -> None:
    with pytest.raises(ListError):
        read_list(written(tmp_path, "x.csv", body), "own")


def test_a_list_name_cannot_leave_its_folder(tmp_path: Path) -> None:
    for name in ("../x", "", "A", "a/b"):
        with pytest.raises(ListError):
            Snapshots(tmp_path).add(name, date(2026, 5, 1), [Entry("x", "1", "A")])


def test_a_snapshot_says_what_was_added_removed_and_changed(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path)
    first = [Entry("own", "1", "A"), Entry("own", "2", "B")]
    second = [Entry("own", "2", "B", aliases=("BB",)), Entry("own", "3", "C")]
    assert len(kept.add("own", date(2026, 5, 1), first).added) == 2
    changed = kept.add("own", date(2026, 5, 2), second)
    assert [[e.entry_id for e in part] for part in (changed.added, changed.removed, changed.changed)] == [
        ["3"],
        ["1"],
        ["2"],
    ]
    assert kept.read("own", date(2026, 5, 1)) == first
    assert kept.read("own") == second
    with pytest.raises(ListError, match="later"):
        kept.add("own", date(2026, 4, 1), first)


def test_equal_lists_give_equal_bytes(tmp_path: Path) -> None:
    bodies = []
    for folder in ("a", "b"):
        Snapshots(tmp_path / folder).add("own", date(2026, 5, 1), [Entry("own", "1", "Á", starts_on=date(2020, 1, 1))])
        bodies.append((tmp_path / folder / "own" / "2026-05-01.jsonl.gz").read_bytes())
    assert bodies[0] == bodies[1]


def test_a_damaged_snapshot_says_so(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path)
    kept.add("own", date(2026, 5, 1), [Entry("own", "1", "A")])
    (tmp_path / "own" / "2026-05-01.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(ListError, match="cannot be read"):
        kept.read("own")


def test_countries_are_known_by_code_and_by_name() -> None:
    assert [country_code(text) for text in ("ir", "Iran", "Korea, North", "Atlantis", None)] == [
        "IR",
        "IR",
        "KP",
        None,
        None,
    ]


def test_real_lists_are_read(shared_data: Path) -> None:
    folder = shared_data / "screening"
    least = {"usgov_sdn.csv.gz": 7000, "usgov_csl.csv.gz": 100, "usgov_dpl.txt.gz": 400}
    found = {name: read_list(folder / name, "x") for name in least}
    assert all(len(found[name]) > n for name, n in least.items())
    assert sum(len(entry.aliases) for entry in found["usgov_sdn.csv.gz"]) > 9000
    assert detect_format("id,schema,name,aliases\n") is ListFormat.OPENSANCTIONS_CSV
