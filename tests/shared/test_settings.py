import subprocess
import sys

import pytest
from pydantic_settings import SettingsConfigDict

from shared.settings import Keys, ServiceSettings, load, unknown

SECRET = "k1:an-invented-secret-of-length"


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TRYOUT_")
    link_keys: Keys


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("TRYOUT_LINK_KEYS", SECRET)


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr with which the start is refused."""
    with pytest.raises(SystemExit) as stopped:
        load(Settings)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_defaults():
    settings = load(Settings)
    assert settings.amqp_url.get_secret_value() == "amqp://tryout:tryout@127.0.0.1:5672/"
    assert settings.store_url.get_secret_value() == "sqlite:///tryout.db"
    assert settings.public_url == "http://127.0.0.1:8080"
    assert list(settings.retry_delays) == [1, 5, 30, 300, 1800]
    assert list(settings.trusted_users) == ["operator"]
    assert settings.log_format == "json"  # the tests' stderr is no terminal


def test_lists_are_comma_separated(monkeypatch):
    monkeypatch.setenv("TRYOUT_RETRY_DELAYS", "0.1, 2")
    monkeypatch.setenv("TRYOUT_TRUSTED_USERS", "operator, migration")
    monkeypatch.setenv("TRYOUT_TRUSTED_PROXIES", "10.0.0.0/8,::1/128")
    settings = load(Settings)
    assert list(settings.retry_delays) == [0.1, 2]
    assert list(settings.trusted_users) == ["operator", "migration"]
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_the_public_url_follows_the_port(monkeypatch):
    monkeypatch.setenv("TRYOUT_HTTP_PORT", "9090")
    assert load(Settings).public_url == "http://127.0.0.1:9090"
    monkeypatch.setenv("TRYOUT_PUBLIC_URL", "https://rummelig.example/post/")
    assert load(Settings).public_url == "https://rummelig.example/post"


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("TRYOUT_HTTP_PORT", "")
    monkeypatch.setenv("TRYOUT_HTTP_PORT_FILE", "")
    assert load(Settings).http_port == 8080


def test_a_value_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "url").write_text("amqp://tryout:invented@broker.example:5672/\n")
    monkeypatch.setenv("TRYOUT_AMQP_URL_FILE", str(tmp_path / "url"))
    assert load(Settings).amqp_url.get_secret_value() == "amqp://tryout:invented@broker.example:5672/"


def test_both_forms_are_an_error(monkeypatch, tmp_path, capsys):
    (tmp_path / "keys").write_text(SECRET)
    monkeypatch.setenv("TRYOUT_LINK_KEYS_FILE", str(tmp_path / "keys"))
    assert "TRYOUT_LINK_KEYS_FILE: TRYOUT_LINK_KEYS is set too" in refused(capsys)


def test_a_file_that_cannot_be_read_is_an_error(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TRYOUT_AMQP_URL_FILE", str(tmp_path / "none"))
    assert "TRYOUT_AMQP_URL_FILE: the file cannot be read" in refused(capsys)
    monkeypatch.setenv("TRYOUT_AMQP_URL_FILE", str(tmp_path))
    assert "TRYOUT_AMQP_URL_FILE: the file cannot be read" in refused(capsys)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b" \n", "empty"), (b"\xff\xfe", "not UTF-8")])
@pytest.mark.parametrize("name", ["LINK_KEYS", "AMQP_URL", "STORE_URL"])
def test_a_file_without_a_value_is_an_error(monkeypatch, tmp_path, capsys, *, name, content, reason):
    (tmp_path / "secret").write_bytes(content)
    monkeypatch.delenv(f"TRYOUT_{name}", raising=False)
    monkeypatch.setenv(f"TRYOUT_{name}_FILE", str(tmp_path / "secret"))
    assert f"TRYOUT_{name}_FILE: the file is {reason}" in refused(capsys)


def test_a_wrong_value_in_a_file_names_the_file_form(monkeypatch, tmp_path, capsys):
    (tmp_path / "port").write_text("eighty\n")
    monkeypatch.setenv("TRYOUT_HTTP_PORT_FILE", str(tmp_path / "port"))
    assert "TRYOUT_HTTP_PORT_FILE: Input should be a valid integer" in refused(capsys)


def test_a_missing_setting_is_named(monkeypatch, capsys):
    monkeypatch.delenv("TRYOUT_LINK_KEYS")
    assert "TRYOUT_LINK_KEYS: is missing; set it or TRYOUT_LINK_KEYS_FILE" in refused(capsys)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "70000"),
        ("AMQP_URL", "http://tryout:hemmelig@broker.example"),
        ("AMQP_URL", "amqp://"),
        ("AMQP_URL", "amqps://tryout:hemmelig@broker.example?no_verify_ssl=1"),
        ("AMQP_URL", "amqps://tryout:hemmelig@broker.example?cafile=/none.pem"),
        ("STORE_URL", "mongodb://tryout:hemmelig@store.example/tryout?tls=true&tlsCAFile=/none.pem"),
        ("STORE_URL", "mongodb://tryout:hemmelig@store.example"),
        ("STORE_URL", "mongodb://tryout:hemmelig@store.example/tryout?tls=true&tlsAllowInvalidHostnames=true"),
        ("STORE_URL", "mongodb://tryout:hemmelig@store.example/tryout?tls=true&tlsInsecure=true"),
        ("STORE_URL", "postgres://hemmelig"),
        ("PUBLIC_URL", "rummelig.example"),
        ("RETRY_DELAYS", "1,zero"),
        ("RETRY_DELAYS", "-1"),
        ("PREFETCH", "0"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("TRUSTED_PROXIES", "everybody"),
        ("LINK_KEYS", "k1:hemmelig"),
    ],
)
def test_an_invalid_setting_is_named_and_its_value_is_not_shown(monkeypatch, capsys, name, value):
    monkeypatch.setenv(f"TRYOUT_{name}", value)
    said = refused(capsys)
    assert f"TRYOUT_{name}: " in said
    assert said.count(": ") == 2  # nothing else is blamed
    assert "hemmelig" not in said


def test_all_that_is_wrong_stands_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("TRYOUT_HTTP_PORT", "x")
    monkeypatch.setenv("TRYOUT_PREFETCH", "x")
    said = refused(capsys)
    assert "TRYOUT_HTTP_PORT: " in said
    assert "TRYOUT_PREFETCH: " in said


def test_a_typing_error_is_told(monkeypatch, capsys):
    monkeypatch.setenv("TRYOUT_HTTP_PROT", "80")
    load(Settings)
    assert "TRYOUT_HTTP_PROT is no setting; did you mean TRYOUT_HTTP_PORT?" in capsys.readouterr().err


def test_what_kubernetes_sets_is_no_typing_error():
    names = ["TRYOUT_SERVICE_HOST", "TRYOUT_SERVICE_PORT_HTTP", "TRYOUT_PORT", "TRYOUT_PORT_8080_TCP_ADDR", "OTHER"]
    assert unknown(Settings, dict.fromkeys(names, "")) == []
    assert unknown(Settings, {"TRYOUT_QUITE_ELSE": ""}) == ["TRYOUT_QUITE_ELSE is no setting"]


def test_secrets_show_nowhere():
    assert "invented" not in f"{load(Settings)!r} {load(Settings)}"


def test_settings_are_read_without_the_heavy_modules():
    heavy = "uvicorn starlette structlog faststream aio_pika motor jinja2 opentelemetry prometheus_client"
    program = f"import sys, shared.settings; sys.exit(repr(sorted(set('{heavy}'.split()) & set(sys.modules))))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert loaded.stderr.strip() == "[]"
