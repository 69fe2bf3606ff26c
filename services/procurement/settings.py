"""What the procurement service is set by: variables that begin with PROCUREMENT_."""

from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The common settings."""

    model_config = SettingsConfigDict(env_prefix="PROCUREMENT_")
