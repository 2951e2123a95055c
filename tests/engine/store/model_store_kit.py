"""What the tests of the model store share."""

import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from bot.engine.local.store.cache import Manifest, installed_folder, place, record_files

GPT2 = "openai-community/gpt2"
EMBEDDED = "smollm2-135m-instruct"
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@dataclass
class Recorder:
    """Keeps every report."""

    reports: list[tuple[str, int | None, int | None]] = field(default_factory=list)

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        self.reports.append((stage, done, total))

    @property
    def stages(self) -> list[str]:
        return list(dict.fromkeys(stage for stage, _, _ in self.reports))


WHEEL = "tiny_story_model-1.0-py3-none-any.whl"
MEMBER = "tiny_story_model/tiny.gguf"


def write_wheel(path: Path, gguf: bytes) -> None:
    info = "tiny_story_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(MEMBER, gguf)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-story-model\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def put(cache_dir: Path, folder: Path, name: str, revision: str, source: str = "package") -> Path:
    """Place a copy of a model folder as an installed model."""
    staging = cache_dir / "staging" / "copy" / "1"
    shutil.copytree(folder, staging)
    manifest = Manifest(
        name=name,
        revision=revision,
        requested_revision=None,
        source=source,
        origin="a test",
        licence="MIT",
        files=record_files(staging),
    )
    final = installed_folder(cache_dir, name, revision)
    place(staging, final, manifest)
    return final
