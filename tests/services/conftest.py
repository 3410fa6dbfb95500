import pytest
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
