import os
import subprocess
import sys
from pathlib import Path

from bot.storage import SqlStore, check
from tests.storage.storage_world import loaded

WRITER = Path(__file__).with_name("storage_writer.py")


async def test_every_committed_word_survives_a_kill(url: str) -> None:
    # A few kills at different moments; the writer is in the middle of a commit in most.
    for lines in (1, 17, 60):
        base = f"{url}.{lines}"
        with subprocess.Popen(  # noqa: ASYNC220 -- nothing else runs on this loop
            [sys.executable, str(WRITER), base],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        ) as process:
            assert process.stdout is not None
            printed = [process.stdout.readline() for _ in range(lines)]
            process.kill()
            printed += process.stdout.readlines()
        committed = [tuple(map(int, line.split())) for line in printed if line.endswith("\n")]
        assert len(committed) >= lines
        async with await SqlStore.open(base) as store:
            story = await loaded(store, committed[0][0])
        assert story is not None
        assert {passage_id for _, passage_id in committed} <= set(story.passages)
        report = await check(base)
        assert report.problems == ()
