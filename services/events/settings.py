"""What the events service is set by: variables that begin with EVENTS_."""

from pydantic_settings import SettingsConfigDict

from shared.settings import Keys, ServiceSettings


class Settings(ServiceSettings):
    """The common settings; `link_keys` is required, because mails carry signed links to cancel a sign-up."""

    model_config = SettingsConfigDict(env_prefix="EVENTS_")

    link_keys: Keys
