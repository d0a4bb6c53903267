"""A host may ask for every certificate that it has been enrolled with, by its own one."""

from api.est.requests import OF_A_HOST
from bringup_cli.site.registry import HostRole, identities_of


def test_a_host_may_renew_each_identity_that_enrolling_gives_it() -> None:
    enrolled = {identity.role.value for identity in identities_of("h1", HostRole)}
    assert enrolled - {"host"} == OF_A_HOST
