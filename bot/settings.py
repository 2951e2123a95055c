"""What the operator sets: from the environment and ``.env``, checked before anything starts.

Invariant: no instance is made at import, nothing below ``app`` reads the environment,
and a wrong or misspelt setting is refused in one sentence that names it.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import ConfigurationError
from bot.locales import N_

PREFIX = "ROUNDTALE_"


def _default_database_url() -> str:
    return f"sqlite+aiosqlite:///{platformdirs.user_data_path('roundtale') / 'roundtale.sqlite'}"


class Settings(BaseSettings):
    """The operator's settings; each stands in ``.env.example`` with its explanation."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        protected_namespaces=(),
    )

    token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DISCORD_TOKEN"),
        description="The bot's token from the Discord developer portal. Needed by run only.",
    )
    model: str = Field(
        default="auto",
        description="Who writes: auto, a Hugging Face id, or a folder with a model.",
    )
    model_revision: str | None = Field(
        default=None, description="Commit, tag or branch of a hub model; pin a commit to be safe."
    )
    prompt_style: Literal["auto", "completion", "prefill", "chat"] = Field(
        default="auto", description="How a story is put to the model; auto is what suits it."
    )
    database_url: str = Field(
        default_factory=_default_database_url, description="Where stories are kept (SQLite)."
    )
    cache_dir: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("roundtale"),
        description="Where installed models are kept.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What is logged. Message text never is."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: coloured on a terminal, JSON lines elsewhere."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="Number format of the model's weights."
    )
    threads: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None, description="Threads for the model; default: the processors it may use."
    )
    max_active: Annotated[int, Field(ge=1, le=64)] = Field(
        default=8, description="Passages that are written at the same time."
    )
    max_waiting: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=64, description="Passages that may wait behind them."
    )
    kv_cache_mib: Annotated[int, Field(ge=0, le=1_048_576)] = Field(
        default=512, description="Memory for what the model remembers of stories, in MiB."
    )
    hub_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        default=5.0, description="How long a model hub may take to answer, in seconds."
    )
    listen_to_all: bool = Field(
        default=False,
        description="Ask Discord for the privileged message-content intent, so that admins may "
        "let every message of a channel be a turn. Must be enabled in the developer portal too.",
    )
    sync_commands: Literal["auto", "always", "never"] = Field(
        default="auto", description="Register slash commands: auto is when they changed."
    )
    drain_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=10.0, description="How long passages may take to end after SIGTERM, in seconds."
    )
    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = Field(
        default="main", description="Name of this process, where several share a database."
    )
    node: Annotated[int, Field(ge=0, le=1023)] = Field(
        default=0, description="Number of this process, where several share a database."
    )
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=0, description="Port for /metrics and /health; 0 is off."
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address on which that port listens."
    )

    @field_validator(
        "log_level", "log_format", "precision", "prompt_style", "sync_commands", mode="before"
    )
    @classmethod
    def _fold_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("cache_dir", mode="after")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("database_url", mode="after")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if not value.startswith("sqlite+aiosqlite:///"):
            msg = "must begin with sqlite+aiosqlite:/// and the path of a file"
            raise ValueError(msg)
        return value

    @field_validator("token", mode="after")
    @classmethod
    def _strip_token(cls, value: SecretStr | None) -> SecretStr | None:
        return SecretStr(value.get_secret_value().strip()) if value else None

    @classmethod
    def load(cls, env_file: Path | None = Path(".env"), **overrides: object) -> Self:
        """Read the environment over ``env_file``; overrides (from the command line) come first.

        Raises:
            ConfigurationError: a value is wrong, or a name is not known.
        """
        given: Mapping[str, str | None] = {}
        if env_file is not None and env_file.is_file():
            try:
                given = dotenv_values(env_file, encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(setting=str(env_file), reason=str(error)) from error
        _refuse_unknown([*given, *os.environ])
        wanted: dict[str, Any] = {k: v for k, v in overrides.items() if v is not None}
        try:
            return cls(_env_file=env_file, **wanted)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ConfigurationError(
                setting=variable_name(str(first["loc"][0])), reason=first["msg"]
            ) from None

    @property
    def database_path(self) -> Path:
        """The database's file."""
        return Path(self.database_url.split(":///", 1)[1])

    def describe(self) -> list[tuple[str, str, str]]:
        """Return variable, value in words (the token never) and explanation of each setting."""
        rows = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            shown = "" if value is None else ("(set)" if name == "token" else str(value))
            rows.append((variable_name(name), shown, field.description or ""))
        return rows


def variable_name(field: str) -> str:
    """Return the environment variable of a field."""
    return "DISCORD_TOKEN" if field in {"token", "DISCORD_TOKEN"} else PREFIX + field.upper()


def _refuse_unknown(names: list[str]) -> None:
    known = [variable_name(name) for name in Settings.model_fields]
    for name in names:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            reason = N_("there is no such setting") + (
                f" (did you mean {near[0]}?)" if near else ""
            )
            raise ConfigurationError(setting=name, reason=reason)
