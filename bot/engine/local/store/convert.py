"""GGUF to safetensors, in a process of its own.

Invariant: the child is a fresh interpreter (never a fork of one with torch in
it), touches no network, writes only into the folder it was given, and ends when
its parent does. It speaks JSON, one object a line, on standard output:
``{"stage": msgid, "done": n, "total": n}``, at last ``{"versions": {…}}`` or ``{"error": text}``.
"""

import asyncio
import contextlib
import errno
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from bot.engine.local.store import progress
from bot.engine.local.store.child import python_module
from bot.engine.local.store.errors import ConversionError
from bot.engine.local.store.progress import Progress

_LIMIT_S = 900.0
_LIBRARIES = ("torch", "transformers", "gguf", "safetensors")

Tell = Callable[[dict[str, object]], None]


def _counted(tell: Tell) -> Callable[..., Iterator[Any]]:
    """Return what stands in for the library's progress bar."""

    def count(items: Iterable[Any], **_: object) -> Iterator[Any]:
        every = list(items)
        for done, item in enumerate(every):
            tell({"stage": progress.CONVERT, "done": done, "total": len(every)})
            yield item

    return count


def convert_file(gguf: Path, into: Path, end_of_text: Sequence[str], tell: Tell) -> None:
    """Read a GGUF file and write a model folder; needs the network switched off by the caller.

    ``from_pretrained(gguf_file=…)`` would need accelerate and leaves a model that
    ``save_pretrained`` refuses (transformers 5.23: its quantization_config and quantizer
    must be taken off). So the tensors are read with the function beneath it.

    Args:
        gguf: the file.
        into: an empty folder for the model, weights in float32.
        end_of_text: tokens that end a text; they become the generation's end ids.
        tell: gets progress.

    Raises:
        ValueError: the file lacks tensors or tokens of the model.
    """
    # Heavy, and wanted in the child only.
    import torch  # noqa: PLC0415
    from transformers import (  # noqa: PLC0415
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
        modeling_gguf_pytorch_utils,
    )

    tell({"stage": progress.CONVERT, "done": 0, "total": None})
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    config = AutoConfig.from_pretrained(**source)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    config.dtype = torch.float32
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]  # transformers' own gap
            config, dtype=torch.float32
        )
    library: Any = modeling_gguf_pytorch_utils
    library.tqdm = _counted(tell)
    tensors = library.load_gguf_checkpoint(str(gguf), return_tensors=True, model_to_load=model)[
        "tensors"
    ]
    model.load_state_dict(tensors, strict=False, assign=True)
    model.tie_weights()
    absent = [name for name, weight in model.named_parameters() if weight.is_meta]
    if absent:
        msg = f"the file lacks {len(absent)} tensors, {absent[0]} first"
        raise ValueError(msg)
    # Not convert_tokens_to_ids: it gives the unknown token's id, which may be one of them.
    vocabulary = tokenizer.get_vocab()
    unknown = [token for token in end_of_text if token not in vocabulary]
    if unknown:
        msg = f"the file's vocabulary lacks {unknown[0]}"
        raise ValueError(msg)
    ends = [vocabulary[token] for token in end_of_text]
    if ends:
        model.generation_config.eos_token_id = ends
    tell({"stage": progress.SAVE, "done": None, "total": None})
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)


def _end_with_parent(stdin: TextIO) -> None:
    """End this process when the pipe from the parent closes, however the parent ended."""

    def watch() -> None:
        stdin.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: list[str]) -> int:
    """Convert one file as the child; arguments: GGUF file, target folder, end-of-text tokens."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # before the libraries are imported
    _end_with_parent(sys.stdin)
    gguf, into, *end_of_text = arguments
    channel = sys.stdout

    def tell(message: dict[str, object]) -> None:
        print(json.dumps(message), file=channel, flush=True)

    try:
        # Whatever a library prints must not mix with the protocol.
        with contextlib.redirect_stdout(sys.stderr):
            convert_file(Path(gguf), Path(into), end_of_text, tell)
    except OSError as error:
        tell({"error": str(error), "errno": error.errno})
        return 1
    except Exception as error:  # noqa: BLE001 -- the root of a process: the parent puts it into words
        # safetensors writes in Rust and raises its own error where the disk is full.
        code = errno.ENOSPC if f"os error {errno.ENOSPC}" in str(error) else None
        tell({"error": f"{type(error).__name__}: {error}", "errno": code})
        return 1
    tell({"versions": {library: version(library) for library in _LIBRARIES}})
    return 0


async def convert(
    gguf: Path,
    into: Path,
    *,
    model: str,
    end_of_text: Sequence[str],
    report: Progress,
    limit_s: float = _LIMIT_S,
) -> dict[str, str]:
    """Convert a GGUF file in a child process.

    Args:
        gguf: the file.
        into: an empty folder.
        model: its name in errors.
        end_of_text: tokens that end a text.
        report: gets progress.
        limit_s: for the whole conversion (it takes 20 to 70 s).

    Returns:
        The versions of the libraries that did it.

    Raises:
        ConversionError: the child failed, was killed or took too long.
        OSError: the disk refused.
    """
    last: dict[str, Any] = {}
    module = "bot.engine.local.store.convert"
    try:
        async with (
            asyncio.timeout(limit_s),
            python_module(module, str(gguf), str(into), *end_of_text) as child,
        ):
            async for line in child.output:
                last = json.loads(line)
                if "stage" in last:
                    report.report(last["stage"], last["done"], last["total"])
            code = await child.process.wait()
            lines = await child.errors
    except TimeoutError as error:
        raise ConversionError(model=model, cause=f"it took over {limit_s:g} s.") from error
    if code == 0 and "versions" in last:
        versions: dict[str, str] = last["versions"]
        return versions
    if last.get("errno") is not None:
        raise OSError(last["errno"], os.strerror(last["errno"]))
    if "error" in last:
        raise ConversionError(model=model, cause=last["error"])
    cause = f"the process ended with status {code}. {lines[-1] if lines else ''}".strip()
    raise ConversionError(model=model, cause=cause)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
