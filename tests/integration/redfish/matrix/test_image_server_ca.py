"""A slot that can check the image server is given our CA, and set to check."""

from pathlib import Path

import pytest

from tests.conftest import MakeSettings
from tests.integration.redfish.conftest import write_credential
from tests.integration.redfish.matrix.conftest import MEDIA, Simulated, run_of, written
from tests.integration.redfish.matrix.families import FAMILIES
from tests.integration.redfish.matrix.server import PASSWORD, USER
from workers.redfish import RedfishBmc

CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
SLOT = "/redfish/v1/Managers/bmc/VirtualMedia/Slot_0"
OPENBMC = [family for family in FAMILIES if family.name == "OpenBMC"]


@pytest.mark.parametrize("simulated", OPENBMC, ids=str, indirect=True)
@pytest.mark.parametrize("with_tls", [True, False])
def test_the_ca_is_installed_once_and_the_slot_checks(
    simulated: Simulated, make_settings: MakeSettings, tmp_path: Path, *, with_tls: bool
) -> None:
    _family, bmc = simulated
    write_credential(tmp_path / "credentials", PASSWORD, username=USER)
    (tmp_path / "ca.pem").write_text(CA)
    settings = make_settings(
        bmc_credentials_dir=tmp_path / "credentials", api_use_tls=with_tls, api_tls_ca=tmp_path / "ca.pem"
    )
    for _ in range(2):
        driver = RedfishBmc(run_of(bmc), settings, sleep=lambda _s: None)
        written(driver, lambda permit, driver=driver: driver.insert_media(MEDIA, permit))  # type: ignore[misc]
        driver.close()
        bmc.tree[SLOT] |= {"Inserted": False, "Image": None}
    given = [body["CertificateString"] for path, body in bmc.tree.items() if path.startswith(f"{SLOT}/Certificates/")]
    assert given == ([CA] if with_tls else [])
    assert bmc.tree[SLOT]["VerifyCertificate"] is with_tls
