from stillwatch.cli.text import for_spreadsheet, visible


def test_control_and_bidirectional_characters_become_visible() -> None:
    assert visible("a\x1b[31m\u202eb\x00") == "a\\u001b[31m\\u202eb\\u0000"
    assert visible("plain ünïcode 漢字") == "plain ünïcode 漢字"


def test_a_formula_is_no_formula_in_a_spreadsheet() -> None:
    assert for_spreadsheet("=1+1") == "'=1+1"
    assert for_spreadsheet("harmless") == "harmless"
