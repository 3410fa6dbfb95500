import pytest

from support import gateway as gateways
from support.certs import Certificates
from support.config import merge
from support.identity import identity_settings, trusting_config, until
from support.simulator import Simulator
from support.upstream import Upstream


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def upstream(certs):
    """upstream("a"): a scripted server of that name."""
    made = []

    def make(name, **how):
        made.append(Upstream(certs, name, **how))
        return made[-1]

    yield make
    for u in made:
        u.close()


@pytest.fixture
def gateway(certs, tmp_path):
    """gateway([a, b], {...}): a running gateway in front of them. At the end it has to stop cleanly."""
    made = []

    def make(upstreams, over=None, start=True):
        folder = tmp_path / f"gateway{len(made)}"
        folder.mkdir()
        made.append(gateways.build(folder, certs, upstreams, over))
        return made[-1].start() if start else made[-1]

    yield make
    for g in made:
        if g.output.exists():
            print(f"--- the gateway's log\n{g.log()}")
    for g in made:
        g.stop()


@pytest.fixture
def a(upstream):
    return upstream("a")


@pytest.fixture
def b(upstream):
    return upstream("b")


@pytest.fixture
def pair(gateway, a, b):
    """A gateway that prefers `a` and has `b` to fall back on."""
    return gateway([a, b])


@pytest.fixture
def one(gateway, a):
    """A gateway with nothing but `a`."""
    return gateway([a])


@pytest.fixture
def simulator(certs, tmp_path):
    """simulator(deterministic=False): two instances, `a` and `b`, with a deployment of every model."""
    made = []

    def make(**settings):
        folder = tmp_path / f"simulator{len(made)}"
        folder.mkdir()
        made.append(Simulator(folder, certs, ("a", "b"), **settings))
        return made[-1].start()

    yield make
    for s in made:
        s.stop()


@pytest.fixture
def trusting(gateway, simulator, certs):
    """A gateway that trusts the simulator's tenant and has identities of its own. `over` goes over the configuration."""

    def make(over=None, credential=None, identity=None, provider=None):
        sim = simulator(identity=identity_settings(identity))
        g = gateway(sim.instances, merge(trusting_config(sim, certs, credential, provider), over or {}))
        until(lambda: g.ask("GET", "/health/ready", key=None).status == 200)
        until(lambda: all(p["keys"] for p in g.status()["token_providers"]))
        return g, sim

    return make


@pytest.fixture(scope="module")
def house(certs, tmp_path_factory):
    """(gateway, simulator) that all tests of a file share; whoever breaks the simulator heals it."""
    folder = tmp_path_factory.mktemp("house")
    sim = Simulator(folder, certs, ("a", "b"), deterministic=True).start()
    g = gateways.build(folder, certs, sim.instances, sim.gateway_config({"failures": 1000})).start()
    yield g, sim
    print(f"--- the gateway's log\n{g.log()}")
    g.stop()
    sim.stop()
