from pathlib import Path

import pytest

from stillwatch.errors import ConfigError
from stillwatch.store.keys import Keys, key_file


def test_keys_come_back_as_they_were_created_and_are_three_different_ones(tmp_path: Path) -> None:
    created = Keys.create(tmp_path / "keys" / "w.json")
    assert Keys.load(tmp_path / "keys" / "w.json") == created
    drawn = {created.pseudonym_key, created.vault_key, created.reference_key}
    assert len(drawn) == 3
    assert {len(key) for key in drawn} == {32}
    assert created.pseudonym_key_id == "k1"


def test_two_workspaces_have_different_keys(tmp_path: Path) -> None:
    assert Keys.create(tmp_path / "a.json").pseudonym_key != Keys.create(tmp_path / "b.json").pseudonym_key


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    Keys.create(tmp_path / "keys" / "w.json")
    assert (tmp_path / "keys" / "w.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Keys.create(tmp_path / "w.json")
    (tmp_path / "w.json").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keys.load(tmp_path / "w.json")


def test_existing_keys_are_never_overwritten(tmp_path: Path) -> None:
    created = Keys.create(tmp_path / "w.json")
    with pytest.raises(ConfigError, match="exists already"):
        Keys.create(tmp_path / "w.json")
    assert Keys.load(tmp_path / "w.json") == created


def test_a_missing_file_says_where_keys_come_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="STILLWATCH_KEYS"):
        Keys.load(tmp_path / "w.json")


@pytest.mark.parametrize("spoil", ["cut", "short key", "unknown field", "not base64"])
def test_a_damaged_file_is_refused_without_quoting_it(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "w.json"
    Keys.create(file)
    text = file.read_text()
    secret = text.split('"vault_key": "')[1][:44]
    spoiled = {
        "cut": text[:-20],
        "short key": text.replace(secret, secret[:40]),
        "unknown field": text.replace('"vault_key"', '"vault_kei"'),
        "not base64": text.replace(secret, "!" + secret[1:]),
    }
    file.write_text(spoiled[spoil])
    with pytest.raises(ConfigError, match="damaged") as caught:
        Keys.load(file)
    assert secret[1:30] not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_showing_keys_shows_no_secret(tmp_path: Path) -> None:
    keys = Keys.create(tmp_path / "w.json")
    shown = f"{keys} {keys!r}"
    assert shown.count("k1") == 2
    for secret in (keys.pseudonym_key, keys.vault_key, keys.reference_key):
        assert repr(secret) not in shown


def test_the_file_is_named_by_the_variable_then_by_the_configuration_folder_then_by_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    both = {"STILLWATCH_KEYS": "/run/secrets/k.json", "XDG_CONFIG_HOME": "/etc/xdg"}
    assert key_file("w1", both) == Path("/run/secrets/k.json")
    assert key_file("w1", {"XDG_CONFIG_HOME": "/etc/xdg"}) == Path("/etc/xdg/stillwatch/keys/w1.json")
    assert key_file("w1", {}) == tmp_path / ".config/stillwatch/keys/w1.json"
