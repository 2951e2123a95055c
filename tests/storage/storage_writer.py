"""A process that commits words without end and prints each id once it is committed."""

import asyncio
import itertools
import sys

from bot.storage import SqlStore
from tests.storage.storage_world import World, added, saved


async def main(url: str) -> None:
    world = World()
    async with await SqlStore.open(url) as store:
        story = await added(store, world.start())
        for _ in itertools.count():
            step = world.add(story, "A member's words, never to be lost.")
            story = await saved(store, story, step)
            print(story.id, step.passages[0].id, flush=True)  # noqa: T201 -- the protocol of the test


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
