"""The sources that the settings name are the sources that there are."""

from typing import get_args

from bringup.settings.schema import Settings
from dhcp_tailer.sources import PARSERS


def test_every_source_of_the_settings_exists_and_no_other() -> None:
    assert set(PARSERS) == set(get_args(Settings.model_fields["dhcp_source"].annotation))


def test_a_source_bears_the_name_it_is_found_by() -> None:
    assert {name: make().name for name, make in PARSERS.items()} == {name: name for name in PARSERS}
