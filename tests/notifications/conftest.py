import shutil
import subprocess

import pytest

from tests.notifications.rig import rig_with
from tests.notifications.sink import running_sink
from tests.support.stores import mongo_server


@pytest.fixture
async def sink():
    async with running_sink() as running:
        yield running


@pytest.fixture
async def rig(sink):
    async with rig_with(sink) as running:
        yield running


@pytest.fixture(scope="session")
def rsa_key(tmp_path_factory):
    """A private key in PEM and its public half as DNS holds it."""
    file = tmp_path_factory.mktemp("dkim") / "key.pem"
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("no openssl here to make a key with")
    subprocess.run([openssl, "genrsa", "-traditional", "-out", file, "1024"], check=True, capture_output=True)
    public = subprocess.run([openssl, "rsa", "-in", file, "-pubout"], check=True, capture_output=True, text=True).stdout
    return file.read_text(), "".join(public.splitlines()[1:-1])


__all__ = ["mongo_server"]
