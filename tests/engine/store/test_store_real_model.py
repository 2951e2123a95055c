"""The packaged SmolLM2 itself; quick from the second run on, for it stays in the user's cache."""

from pathlib import Path
from typing import Any

import platformdirs
import pytest

from bot.engine.local.store import EMBEDDED_NAME, info, install

pytestmark = [pytest.mark.real_model, pytest.mark.slow]


async def test_the_packaged_model_installs_and_continues_a_story() -> None:
    cache_dir = Path(platformdirs.user_cache_dir("roundtale"))
    path = await install(EMBEDDED_NAME, cache_dir=cache_dir)

    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 -- heavy

    model: Any = AutoModelForCausalLM.from_pretrained(path)
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    assert model.generation_config.eos_token_id == [2, 0]
    assert tokenizer.decode([2, 0]) == "<|im_end|><|endoftext|>"
    ids = tokenizer("Once upon a time in a small village,", return_tensors="pt")
    text = tokenizer.decode(model.generate(**ids, max_new_tokens=12, do_sample=False)[0])
    assert text.startswith("Once upon a time in a small village, there was a")
    assert info(EMBEDDED_NAME, cache_dir=cache_dir).parameters == 134_515_008
