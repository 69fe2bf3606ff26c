"""What the supplier service is set by: variables that begin with SUPPLIER_."""

from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The common settings."""

    model_config = SettingsConfigDict(env_prefix="SUPPLIER_")
