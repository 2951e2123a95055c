"""What the operator sets: from the environment and ``.env``, checked before anything starts.

Invariant: no instance is made at import, nothing below ``app`` reads the environment,
and a wrong or misspelt setting is refused in one sentence that names it.
"""

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import platformdirs
from dotenv.parser import parse_stream
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import ConfigurationError
from bot.locales import N_

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX = "ROUNDTALE_"
_DISCORD_NAME = "DISCORD_TOKEN"
_NAME_LETTERS = 64

_REASONS = {
    "bool_parsing": N_("must be true or false"),
    "bool_type": N_("must be true or false"),
    "float_parsing": N_("must be a number"),
    "greater_than": N_("must be more than {gt}"),
    "greater_than_equal": N_("must be {ge} or more"),
    "int_from_float": N_("must be a whole number"),
    "int_parsing": N_("must be a whole number"),
    "less_than_equal": N_("must be {le} or less"),
    "literal_error": N_("must be {expected}"),
    "value_error": "{error}",
}
"""What is wrong with a value, by pydantic's type of error; its own sentences are for programmers."""


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
        validation_alias=AliasChoices(_DISCORD_NAME),
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
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="Where the model computes; auto is a graphics card if any."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        default="auto",
        description="Number format of the model's weights; auto is bf16 where the processor has it.",
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
    instance: str = Field(
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
        *("device", "log_level", "log_format", "precision", "prompt_style", "sync_commands"),
        mode="before",
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

    @field_validator("instance", mode="after")
    @classmethod
    def _check_instance(cls, value: str) -> str:
        if len(value) > _NAME_LETTERS or not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
            msg = f"must be 1 to {_NAME_LETTERS} letters of English, digits, dots, dashes or underscores"
            raise ValueError(msg)
        return value

    @field_validator("model", mode="after")
    @classmethod
    def _check_model(cls, value: str) -> str:
        if not value.strip():
            msg = "must be auto, a Hugging Face id, or a folder with a model"
            raise ValueError(msg)
        return value

    @field_validator("token", mode="after")
    @classmethod
    def _check_token(cls, value: SecretStr | None) -> SecretStr | None:
        token = value.get_secret_value().strip() if value else ""
        if not token:
            return None
        if not re.fullmatch(r"[!-~]+", token):
            msg = "is no token: a token has no spaces or special letters. Copy it anew from the developer portal (Bot, Reset Token)"
            raise ValueError(msg)
        return SecretStr(token)

    @classmethod
    def load(cls, env_file: Path | None = Path(".env"), **overrides: object) -> Self:
        """Read the environment over ``env_file``; overrides (from the command line) come first.

        Raises:
            ConfigurationError: a value is wrong, or a name is not known.
        """
        given = [] if env_file is None else _names_in(env_file)
        _refuse_unknown([*given, *os.environ])
        wanted: dict[str, Any] = {k: v for k, v in overrides.items() if v is not None}
        try:
            return cls(_env_file=env_file, **wanted)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ConfigurationError(
                setting=variable_name(str(first["loc"][0])), reason=_reason(first)
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
    return _DISCORD_NAME if field in {"token", _DISCORD_NAME} else PREFIX + field.upper()


def _names_in(env_file: Path) -> list[str]:
    """Return the names that a file of settings sets; none where there is no file.

    Raises:
        ConfigurationError: it cannot be read, or a line of it says nothing.
    """
    names: list[str] = []
    try:
        with env_file.open(encoding="utf-8") as stream:
            for line in parse_stream(stream):
                # The line's own words stay out of the sentence: they may hold the token.
                is_ours = line.key is not None and (
                    line.key == _DISCORD_NAME or line.key.upper().startswith(PREFIX)
                )
                if line.error or (is_ours and line.value is None):
                    number = line.original.line
                    raise ConfigurationError(
                        setting=str(env_file),
                        reason=N_("line {number} cannot be read; write NAME=value").format(
                            number=number
                        ),
                    )
                if line.key:
                    names.append(line.key)
    except FileNotFoundError:
        pass
    except UnicodeDecodeError as error:
        reason = N_("is not UTF-8 text; save it as UTF-8")
        raise ConfigurationError(setting=str(env_file), reason=reason) from error
    except OSError as error:
        reason = N_("cannot be read ({cause})").format(cause=error.strerror)
        raise ConfigurationError(setting=str(env_file), reason=reason) from error
    return names


def _reason(error: "ErrorDetails") -> str:
    """Say what is wrong with a value, without the value: it may be secret."""
    template = _REASONS.get(error["type"])
    if template is None:
        return error["msg"]
    return template.format_map(
        {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in error.get("ctx", {}).items()
        }
    )


def _refuse_unknown(names: Iterable[str]) -> None:
    known = [variable_name(name) for name in Settings.model_fields]
    for name in names:
        wanted = name.upper()
        if wanted.startswith(PREFIX) and wanted not in known:
            # What all names begin with would make any two of them similar.
            ends = [one.removeprefix(PREFIX) for one in known]
            near = difflib.get_close_matches(wanted.removeprefix(PREFIX), ends, n=1)
            reason = N_("there is no such setting") + (
                f" (did you mean {PREFIX}{near[0]}?)"
                if near
                else "; .env.example explains each that there is"
            )
            raise ConfigurationError(setting=name, reason=reason)
