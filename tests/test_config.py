from pathlib import Path

import pytest

from stillwatch.config import load_config
from stillwatch.errors import ConfigError


def load(tmp_path: Path, *, environ: dict[str, str] | None = None, **flags: object):
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), **(environ or {})}
    return load_config(environ=environ, directory=tmp_path, flags=flags)


def test_without_files_every_value_is_a_default(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.config.detect.window_days == 45
    assert set(loaded.origins.values()) == {"default"}


def test_the_state_database_is_named_in_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "stillwatch.toml").write_text('[state]\nurl = "postgresql+pg8000://a@db.example/stillwatch"\n')
    assert load(tmp_path).config.state.url == "postgresql+pg8000://a@db.example/stillwatch"
    named = "postgresql+pg8000://a:secret@db.example/other"
    assert load(tmp_path, environ={"STILLWATCH_STATE__URL": named}).config.state.url == named


def test_later_layers_win_and_say_where_a_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "stillwatch.toml").write_text("[detect]\nwindow_days = 30\nalpha = 0.001\n")
    loaded = load(tmp_path, environ={"STILLWATCH_DETECT__ALPHA": "0.002"}, **{"detect.by": "org"})
    assert (loaded.config.detect.window_days, loaded.config.detect.alpha, loaded.config.detect.by) == (30, 0.002, "org")
    assert loaded.origins["detect.window_days"].endswith("stillwatch.toml")
    assert loaded.origins["detect.alpha"] == "environment"
    assert loaded.origins["detect.by"] == "flag"


@pytest.mark.parametrize(
    "text", ["[detect]\nwindow = 3\n", "[detect]\nalpha = 2\n", "alpha = 1\n", "[nowhere]\nx = 1\n", "= ="]
)
def test_a_wrong_setting_names_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "stillwatch.toml").write_text(text)
    with pytest.raises(ConfigError):
        load(tmp_path)
