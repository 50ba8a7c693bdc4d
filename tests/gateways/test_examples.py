"""The documentation shows the very files that the tests run."""

import re

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.parametrize("name", ["envoy.yaml", "stillwatch-envoy.toml", "litellm.yaml", "nginx.conf"])
def test_the_block_in_the_documentation_is_the_file(name: str) -> None:
    page = (REPOSITORY / "docs" / "gateways.md").read_text()
    (shown,) = re.findall(rf"<!-- examples/{re.escape(name)} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    assert shown == (REPOSITORY / "examples" / name).read_text()
