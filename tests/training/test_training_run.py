"""Trainings of a tiny model, from files to a folder that writes."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bot import cli
from bot.engine.local import loader
from bot.engine.local.errors import TooLargeError
from bot.engine.local.loader import load_model, read_weights
from bot.engine.local.store.errors import (
    AdapterBaseError,
    BrokenFileError,
    ForeignAdapterError,
    NotAModelFolderError,
)
from bot.engine.local.store.folder import look
from bot.engine.local.tokenizer import control_tags
from bot.errors import ExtraMissingError
from bot.locales import Words
from bot.story.control_tags import format_tag, genre_tag
from bot.training import extras, timing
from bot.training.base import open_base
from bot.training.errors import (
    DivergedError,
    NoAdapterError,
    NoEndTokenError,
    NoRoomError,
    NotEnoughRoomError,
    OtherRunError,
    OutputExistsError,
    TooFewTalesError,
    UnwritableError,
    WindowTooLongError,
)
from bot.training.evaluation.likeness import Features
from bot.training.evaluation.snippet import write_greedily
from bot.training.heldout import compare
from bot.training.loop import NO_TIME, last_checkpoint
from bot.training.packing import Rows
from bot.training.recipe import Method, Recipe
from bot.training.running import Sources, run_training
from bot.training.scores import TextScore
from tests.support.tiny_model import END, write_tiny_model
from tests.training.training_kit import Notes, write_tales

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
WORDS = Words()


def test_lora_lowers_the_perplexity_and_leaves_a_model_that_loads(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    into = tmp_path / "models" / "told"
    done = run_training(sources, into, recipe, notes, WORDS)
    assert done.comparison.after < 0.8 * done.comparison.before
    assert done.course.validation[0].step == 0
    assert done.course.best_loss < done.course.validation[0].loss
    loaded = load_model(into, threads=1)
    for tag in (format_tag("prose"), genre_tag("fantasy")):
        number = loaded.tokenizer.get_vocab()[tag]
        assert number in loaded.suppressed_ids
    assert not list(into.parent.glob("told.*")) + list(into.parent.glob(".told*"))
    card = (into / "README.md").read_text(encoding="utf-8")
    for expected in ("CC0", "tiny", "learning_rate: 0.005", genre_tag("fantasy"), "curves.png"):
        assert expected in card
    assert f"{done.comparison.after:.2f}" in card
    assert (into / "curves.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((into / "training.json").read_text(encoding="utf-8"))
    assert len(figures["sets"]["test"]) == 1
    assert figures["held_out"]["low"] is None
    assert any("12" in line or "10" in line for line in notes.lines)


def test_an_adapter_holds_the_difference_and_loads_like_the_merged_model(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    run_training(sources, tmp_path / "whole", recipe, notes, WORDS)
    run_training(sources, tmp_path / "thin", recipe, notes, WORDS, as_adapter=True)
    assert not (tmp_path / "thin" / "model.safetensors").exists()
    thin, whole = (
        load_model(tmp_path / name, precision="fp32", threads=1) for name in ("thin", "whole")
    )
    assert thin.tokenizer_hash == whole.tokenizer_hash
    assert thin.revision != whole.revision
    expected = load_file(tmp_path / "whole" / "model.safetensors")
    for dtype in (torch.float32, torch.bfloat16):
        model = read_weights("thin", tmp_path / "thin", dtype, "cpu", tokens=len(thin.tokenizer))
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, expected[name].to(dtype)), name


def test_all_weights_can_learn(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    full = replace(recipe, method=Method.FULL, learning_rate=2e-3)
    done = run_training(sources, tmp_path / "full", full, notes, WORDS)
    assert done.comparison.after < done.comparison.before
    assert done.trained > look(Path(sources.model)).parameters
    load_model(tmp_path / "full", threads=1)


def run_in_child(sources: Sources, into: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bot", "train", str(sources.tales[0])]
    command += ["--model", sources.model, "--into", str(into), "--window", "64"]
    command += ["--learning-rate", "5e-3", "--epochs", "12", "--rank", "4"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ROUNDTALE_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_a_killed_run_goes_on_from_its_last_checkpoint_to_the_same_weights(
    tmp_path: Path, sources: Sources
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    work = tmp_path / "killed.training"
    with run_in_child(sources, killed) as child:
        deadline_s = time.monotonic() + 120
        while last_checkpoint(work) is None and time.monotonic() < deadline_s:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    assert not killed.exists()
    kept = last_checkpoint(work)
    assert kept is not None
    # What was being written when it was killed is no checkpoint.
    shutil.copytree(kept, work / "checkpoint-9999")
    (work / "checkpoint-9999" / "trainer_state.json").write_text("{")
    with run_in_child(sources, killed) as child:
        said = child.communicate(timeout=300)[0].decode()
    assert child.returncode == 0, said
    assert f"Going on after step {kept.name.rsplit('-', 1)[1]} of " in said
    assert not work.exists()
    with run_in_child(sources, whole) as child:
        assert child.wait(300) == 0
    resumed, straight = (load_file(each / "model.safetensors") for each in (killed, whole))
    for name, weight in straight.items():
        assert torch.allclose(resumed[name], weight, atol=1e-5), name


def test_the_steps_are_planned_to_fit_the_time(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    endless = replace(recipe, epochs=1000.0, time_limit_s=3.0, patience=1000)
    begun_s = time.monotonic()
    done = run_training(sources, tmp_path / "out", endless, notes, WORDS)
    assert 1 <= done.course.planned_steps < 1000 * done.rows / recipe.batch_rows
    assert done.course.took_s < 20
    assert time.monotonic() - begun_s < 60


def test_a_step_that_turns_out_slower_ends_the_run_in_time(
    tmp_path: Path,
    sources: Sources,
    recipe: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "measure", lambda *_: (1e-6, 1e-6))
    endless = replace(recipe, epochs=1000.0, time_limit_s=0.5, patience=1000)
    done = run_training(sources, tmp_path / "out", endless, notes, WORDS)
    assert done.course.why_ended == NO_TIME
    assert 1 <= done.course.steps < done.course.planned_steps
    load_model(tmp_path / "out", threads=1)


def test_it_stops_when_validation_makes_no_progress_and_keeps_the_best(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    wild = replace(recipe, learning_rate=0.5, epochs=20.0, validations=20, patience=1)
    done = run_training(sources, tmp_path / "out", wild, notes, WORDS)
    assert done.course.steps < done.course.planned_steps
    assert done.course.best_step < done.course.steps


def test_what_is_in_the_way_is_said_and_left_alone(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputExistsError, match="taken"):
        run_training(sources, tmp_path / "taken", recipe, notes, WORDS)
    (tmp_path / "out.training").mkdir()
    (tmp_path / "out.training" / "mine.txt").write_text("x")
    with pytest.raises(OtherRunError):
        run_training(sources, tmp_path / "out", recipe, notes, WORDS)
    assert (tmp_path / "out.training" / "mine.txt").read_text() == "x"
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError):
        run_training(sources, tmp_path / "file" / "out", recipe, notes, WORDS)


def test_an_unfinished_run_with_other_settings_is_not_mixed_with_this_one(
    tmp_path: Path,
    sources: Sources,
    recipe: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bot.training.running.train_model", killed)
    with pytest.raises(KeyboardInterrupt):
        run_training(sources, tmp_path / "out", recipe, notes, WORDS)
    with pytest.raises(OtherRunError):
        run_training(sources, tmp_path / "out", replace(recipe, rank=2), notes, WORDS)
    monkeypatch.undo()
    run_training(sources, tmp_path / "out", replace(recipe, time_limit_s=30.0), notes, WORDS)


def test_a_disk_that_is_too_small_is_said_before_training(
    tmp_path: Path,
    sources: Sources,
    recipe: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        "bot.training.saving.shutil.disk_usage", lambda _: usage._replace(free=1_000_000)
    )
    with pytest.raises(NotEnoughRoomError, match="1 MB"):
        run_training(sources, tmp_path / "out", recipe, notes, WORDS)
    assert "Training" not in notes.stages


def test_a_disk_that_fills_up_ends_it_with_the_last_checkpoint_kept(
    tmp_path: Path,
    sources: Sources,
    recipe: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = torch.save
    calls: list[object] = []

    def full(value: object, file: Any, *rest: Any, **more: Any) -> None:
        if str(file).endswith("optimizer.pt"):
            calls.append(file)
            if len(calls) > 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(value, file, *rest, **more)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(NoRoomError):
        run_training(sources, tmp_path / "out", recipe, notes, WORDS)
    monkeypatch.undo()
    assert last_checkpoint(tmp_path / "out.training") is not None
    run_training(sources, tmp_path / "out", recipe, notes, WORDS)
    assert any(line.startswith("Going on after step") for line in notes.lines)


def test_a_disk_that_is_full_at_the_end_loses_nothing(
    tmp_path: Path,
    sources: Sources,
    recipe: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("bot.training.running.draw_curves", full)
    with pytest.raises(NoRoomError):
        run_training(sources, tmp_path / "out", recipe, notes, WORDS)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
    assert last_checkpoint(tmp_path / "out.training") is not None


def test_a_loss_that_is_no_number_is_said(
    tmp_path: Path,
    sources: Sources,
    recipe: Recipe,
    notes: Notes,
) -> None:
    with pytest.raises(DivergedError, match="learning-rate"):
        run_training(sources, tmp_path / "out", replace(recipe, learning_rate=1e30), notes, WORDS)


def test_one_tale_is_not_enough(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    text = "A cat sat. " * 50
    (tmp_path / "one").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "one" / name).write_text(text)
    with pytest.raises(TooFewTalesError, match="1 different"):
        run_training(
            replace(sources, tales=[tmp_path / "one"]), tmp_path / "out", recipe, notes, WORDS
        )


def test_a_model_without_an_end_of_text_is_refused(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes, base_folder: Path
) -> None:
    folder = tmp_path / "endless"
    shutil.copytree(base_folder, folder)
    for name in ("tokenizer_config.json", "config.json", "generation_config.json"):
        settings = json.loads((folder / name).read_text())
        for key in list(settings):
            if key.startswith(("eos", "bos", "unk")):
                settings[key] = None
        (folder / name).write_text(json.dumps(settings))
    tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokenizer.replace("<|endoftext|>", "<|nothing|>"))
    with pytest.raises(NoEndTokenError, match="endless"):
        run_training(replace(sources, model=str(folder)), tmp_path / "out", recipe, notes, WORDS)


def test_a_model_without_a_padding_token_pads_with_its_end_and_learns_it(
    tmp_path: Path, base_folder: Path, recipe: Recipe
) -> None:
    plain = open_base(base_folder, "tiny", recipe)
    assert plain.tokenizer.pad_token_id is None
    assert plain.pad_id == plain.end_id
    folder = tmp_path / "padded"
    shutil.copytree(base_folder, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    other = next(word for word in plain.tokenizer.get_vocab() if word != END)
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "pad_token": other}))
    padded = open_base(folder, "padded", recipe)
    assert padded.pad_id != padded.end_id == plain.end_id


def test_a_trained_model_is_trained_again_with_the_tags_that_it_has(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    run_training(sources, tmp_path / "one", recipe, notes, WORDS)
    again = replace(sources, model=str(tmp_path / "one"))
    run_training(again, tmp_path / "two", recipe, notes, WORDS)
    one, two = (load_model(tmp_path / name, threads=1).tokenizer for name in ("one", "two"))
    assert len(one) == len(two)
    assert control_tags(one) == control_tags(two)
    assert genre_tag("fantasy") in control_tags(two)


def test_rows_longer_than_the_model_takes_are_refused(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes
) -> None:
    with pytest.raises(WindowTooLongError, match="256"):
        run_training(sources, tmp_path / "out", replace(recipe, window_tokens=512), notes, WORDS)


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(
    tmp_path: Path,
    sources: Sources,
    recipe: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loader, "available_memory_bytes", lambda: 10**8)
    with pytest.raises(TooLargeError):
        run_training(sources, tmp_path / "out", recipe, notes, WORDS)


def test_a_missing_library_is_named_first(
    tmp_path: Path,
    sources: Sources,
    recipe: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extras, "_TRAIN", ("no_such_library",))
    with pytest.raises(ExtraMissingError, match=r"roundtale\[train\]"):
        run_training(sources, tmp_path / "out", recipe, notes, WORDS)


@pytest.fixture(scope="module")
def adapter_folder(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    sources = Sources(
        tales=[write_tales(folder / "tales.jsonl", count=4)],
        model=str(base_folder),
        cache_dir=folder / "cache",
        threads=1,
    )
    recipe = Recipe(window_tokens=64, learning_rate=5e-3, epochs=2.0, validations=1, rank=2)
    run_training(sources, folder / "thin", recipe, Notes(), WORDS, as_adapter=True)
    return folder / "thin"


def test_an_adapter_for_another_model_is_refused(tmp_path: Path, adapter_folder: Path) -> None:
    thin = tmp_path / "thin"
    shutil.copytree(adapter_folder, thin)
    config = json.loads((thin / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "other"
    (thin / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(AdapterBaseError, match="other"):
        look(thin)
    write_tiny_model(thin / "other", arch="gpt2", n_positions=256)
    with pytest.raises(ForeignAdapterError, match="other"):
        look(thin)
    (thin / "base.json").unlink()
    with pytest.raises(ForeignAdapterError):
        load_model(thin, threads=1)


def test_an_adapter_is_a_base_too_but_only_for_a_whole_model(
    tmp_path: Path, sources: Sources, recipe: Recipe, notes: Notes, adapter_folder: Path
) -> None:
    again = replace(sources, model=str(adapter_folder))
    with pytest.raises(NoAdapterError, match="adapter itself"):
        run_training(again, tmp_path / "out", recipe, notes, WORDS, as_adapter=True)
    run_training(again, tmp_path / "out", replace(recipe, epochs=0.1), notes, WORDS)
    assert look(tmp_path / "out").base is None
    full = replace(recipe, method=Method.FULL)
    with pytest.raises(NoAdapterError, match="all weights"):
        run_training(sources, tmp_path / "full", full, notes, WORDS, as_adapter=True)


def test_an_adapter_is_evaluated_as_what_it_makes_of_its_base(
    base_folder: Path, adapter_folder: Path
) -> None:
    samples = [
        text
        for folder in (base_folder, adapter_folder)
        for text in write_greedily(folder, [], words=12)
    ]
    base, other = (Features(folder).of(["The wolf"]) for folder in (base_folder, adapter_folder))
    assert len(samples) == 2
    assert base.shape == other.shape
    assert not np.array_equal(base, other)


def test_an_adapter_that_is_cut_short_is_refused(tmp_path: Path, adapter_folder: Path) -> None:
    thin = tmp_path / "thin"
    shutil.copytree(adapter_folder, thin)
    weights = thin / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BrokenFileError):
        look(thin)
    weights.unlink()
    with pytest.raises(NotAModelFolderError, match="adapter_model"):
        look(thin)


def test_a_comparison_is_paired_by_tale() -> None:
    before = [
        TextScore(nats=300.0 + 7 * number, tokens=100, words=80, size_bytes=450)
        for number in range(20)
    ]
    after = [replace(each, nats=each.nats - 20.0) for each in before]
    found = compare(before, after)
    assert found.change == pytest.approx(math.expm1(-0.2))
    assert found.low == pytest.approx(found.high)
    assert found.bits_before > found.bits_after
    alone = compare(before[:1], after[:1])
    assert math.isnan(alone.low)


def test_the_command_trains_and_says_how_it_went(
    tmp_path: Path,
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ROUNDTALE_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    line = ["roundtale", "train", "tales.jsonl", "--model", sources.model]
    line += ["--window", "64", "--epochs", "0.5", "--rank", "2", "--adapter"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    said = capsys.readouterr()
    assert "before" in said.out
    assert "--model trained" in said.out
    assert "validation perplexity" in said.err
    monkeypatch.setattr(sys, "argv", [*line[:2], "nowhere", *line[3:], "--into", "other"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "nowhere" in capsys.readouterr().err


def test_validations_never_take_most_of_the_time(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows([([1], [1])] * 100)
    limited = replace(recipe, validations=10, epochs=100.0, time_limit_s=100.0)
    monkeypatch.setattr(timing, "measure", lambda *_: (1.0, 1.0))
    slow = timing.plan(None, rows, rows, limited)
    assert (slow.validations, slow.validation_rows) == (3, 8)
    assert 50 <= slow.steps <= 60
    monkeypatch.setattr(timing, "measure", lambda *_: (1.0, 0.001))
    quick = timing.plan(None, rows, rows, limited)
    assert (quick.validations, quick.validation_rows, quick.steps) == (10, 64, 87)
    short = timing.plan(None, rows, rows, replace(recipe, validations=10, epochs=0.1))
    assert (short.steps, short.validations) == (3, 3)


def test_rows_are_drawn_the_same_each_time() -> None:
    rows = Rows([([number], [number]) for number in range(100)])
    assert [each["input_ids"] for each in rows.some(5, 1)] == [
        each["input_ids"] for each in rows.some(5, 1)
    ]
    assert len(rows.some(500, 1)) == 100
