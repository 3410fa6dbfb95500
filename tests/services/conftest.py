import pytest
from support import gateway as gateways
from support.postgresql import Postgresql
from support.redis_server import RedisServer


@pytest.fixture
def postgresql():
    with Postgresql() as server:
        yield server


@pytest.fixture
def redis():
    with RedisServer(password="redis-password-1234") as server:
        yield server


@pytest.fixture
def two_gateways(certs, tmp_path):
    """Starts g1 and g2, which differ in nothing but their names."""
    running = []

    def start(instances, over):
        for name in ("g1", "g2"):
            folder = tmp_path / name
            folder.mkdir()
            running.append(gateways.build(folder, certs, instances, {**over, "gateway": {"name": name}}).start())
        return running
    yield start
    for g in running:
        g.stop()
