"""What is planned for a home that is new."""

from pathlib import Path

from deploy.local.home import Home, read_json
from deploy.local.system import System


def test_the_first_start_of_the_node_looks_only_where_it_must(tmp_path: Path) -> None:
    """Else it takes twice as long."""
    home = Home(tmp_path / "home")
    home.create()
    System(home, services=[], environment={"RUMMELIG_AMQP_URL": ""})._write_plan()
    node = next(each for each in read_json(home.plan)["processes"] if each["name"] == "rabbitmq")
    view = home.broker / "program"
    assert node["environment"].get("RABBITMQ_PLUGINS_DIR") == (f"{view}/plugins" if view.exists() else None)
