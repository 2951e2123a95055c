"""Draw what members of a server see: the real bot, the real model, Discord's look.

Starts the bot's own process over the project's stand-in of Discord, begins a story from a premise,
takes a few turns, and draws the messages that came of it as Discord shows them, with the web
components of @skyra/discord-components-core in headless Chromium:

    npm install --prefix FOLDER @skyra/discord-components-core esbuild
    python -m docs.pictures.draw --modules FOLDER/node_modules [--chromium chromium]

Writes ``card.png`` and ``story.png`` beside this file. Needs the packaged model; fetches it where it
is not there. The buttons need a font with emoji (Debian: fonts-noto-color-emoji).
"""

import argparse
import asyncio
import html
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.discord_server.world import Message
from tests.e2e.scenes import Scene, open_scene, use_real_model

FOLDER = Path(__file__).parent
PREMISE = "A shy fox opens a bakery in a snowy village"
TURN = "On the first morning, a wolf stood at the counter and asked for the honey cake."
WAIT_S = 240.0
WIDTH = 760
GREEN = "%232d7d46"
STYLES = {1: "primary", 2: "secondary", 3: "success", 4: "destructive", 5: "secondary"}
PAGE = """<!doctype html><meta charset="utf-8">
<style>
 body { margin: 0; background: #313338; width: %(width)dpx; }
 discord-messages { border: 0; }
 .small { font-size: 12.5px; line-height: 1.4; color: #b5bac1; }
 .title { font-size: 20px; font-weight: 700; margin: 6px 0; }
</style>
<script type="module" src="bundle.js"></script>
<discord-messages>%(messages)s</discord-messages>
<script type="module">
 setTimeout(() => {
  const box = document.querySelector("discord-messages").getBoundingClientRect();
  document.body.dataset.height = Math.ceil(box.bottom) + 8;
 }, 2000);
</script>
"""


def inline(text: str) -> str:
    """Turn one line of Discord's markdown into HTML."""
    text = html.escape(re.sub(r"\\([^\w\s])", "\ue000\\1", text), quote=False)
    text = re.sub(r"\*\*(.+?)\*\*", r"<discord-bold>\1</discord-bold>", text)
    text = re.sub(
        r"(?<![\ue000\w])\*(.+?)(?<!\ue000)\*", r"<discord-italic>\1</discord-italic>", text
    )
    text = re.sub(r"&lt;@!?(\d+)&gt;", r"<discord-mention>\1</discord-mention>", text)
    return text.replace("\ue000", "")


def markdown(text: str) -> str:
    """Turn Discord's markdown, as far as the bot uses it, into HTML."""
    lines = []
    for line in text.split("\n"):
        if line.startswith("-# "):
            lines.append(f'<div class="small">{inline(line[3:])}</div>')
        elif heading := re.match(r"#{1,3} (.*)", line):
            lines.append(f'<div class="title">{inline(heading[1])}</div>')
        else:
            lines.append(f"{inline(line)}<br>")
    return re.sub(r"(<br>)+\Z", "", "".join(lines)).replace("<br><div", "<div")


def avatar(color: str, name: str) -> str:
    """Return a round picture with a letter, as a data URI."""
    return (
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40'%3E"
        f"%3Crect width='40' height='40' fill='{color}'/%3E%3Ctext x='20' y='28' font-size='22' "
        f"font-family='sans-serif' fill='white' text-anchor='middle'%3E{name[0]}%3C/text%3E%3C/svg%3E"
    )


def emoji_of(item: dict[str, Any]) -> str:
    """Return the emoji of a button, if it has one."""
    return str((item.get("emoji") or {}).get("name") or "")


def component(item: dict[str, Any]) -> str:
    """Draw a component."""
    inner = "".join(component(each) for each in item.get("components", ()))
    match item["type"]:
        case 1:
            return f"<discord-action-row>{inner}</discord-action-row>"
        case 2:
            label = html.escape(f"{emoji_of(item)} {item.get('label') or ''}".strip())
            disabled = " disabled" if item.get("disabled") else ""
            return (
                f'<discord-button type="{STYLES[item["style"]]}"{disabled}>{label}</discord-button>'
            )
        case 3:
            hint = html.escape(item.get("placeholder") or "")
            return f'<discord-string-select-menu placeholder="{hint}"></discord-string-select-menu>'
        case 10:
            return f"<div>{markdown(item['content'])}</div>"
        case _:
            return inner


def message(one: Message) -> str:
    """Draw a message."""
    is_bot = one.author.is_bot
    name = "Roundtale" if is_bot else one.author.name.capitalize()
    color = GREEN if is_bot else "%23c27c0e"
    rows = "".join(component(each) for each in one.components)
    reply = ""
    if one.reference is not None:
        before = re.sub(r"\s+", " ", re.sub(r"(?m)^-# .*$", "", one.reference.content)).strip()
        reply = (
            f'<discord-reply slot="reply" author="Roundtale" avatar="{avatar(GREEN, "Roundtale")}" app mentions>'
            f"{html.escape(before[:90])} …</discord-reply>"
        )
    bot = " bot" if is_bot else ""
    return (
        f'<discord-message author="{name}" avatar="{avatar(color, name)}"{bot}>{reply}'
        f"{markdown(one.content)}"
        + (f'<discord-attachments slot="components">{rows}</discord-attachments>' if rows else "")
        + "</discord-message>"
    )


async def play(folder: Path) -> tuple[str, str]:
    """Let members write with the bot; return the card and the story, as HTML."""
    async with open_scene(folder, Path(), is_tapped=False) as scene:
        scene.shows_log = False
        missing = await use_real_model(scene)
        if missing is not None:
            raise SystemExit(missing)
        await (await scene.start_bot()).wait_log('"model loaded"', WAIT_S)
        return await act(scene)


async def act(scene: Scene) -> tuple[str, str]:
    """Take the turns."""
    discord, channel = scene.discord, scene.channel()
    asked = await discord.slash(
        scene.alice, channel, "story start", {"premise": PREMISE}, wait="reply", timeout_s=WAIT_S
    )
    card = asked.reply
    if card is None:
        raise SystemExit("no card came")
    drawn_card = message(card)  # at once: it changes when the story begins
    await discord.click(scene.alice, card, "Begin")
    first = await scene.passage(channel, timeout_s=WAIT_S)
    turn = await discord.say(scene.bob, channel, TURN, reply_to=first)
    second = await scene.passage(channel, [first], timeout_s=WAIT_S)
    await discord.wait_for(lambda: not first.labels, what="old buttons taken away")
    title = [each for each in discord.bot_messages(channel) if each.content.startswith("## ")]
    return drawn_card, "".join(map(message, [*title, first, turn, second]))


def draw(messages: str, name: str, folder: Path, chromium: str) -> None:
    """Render messages to a picture."""
    page = folder / f"{name}.html"
    page.write_text(PAGE % {"width": WIDTH, "messages": messages}, encoding="utf-8")
    browser = [
        *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *("--disable-background-networking", "--no-first-run", "--allow-file-access-from-files"),
        *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000"),
    ]
    dumped = subprocess.run(
        [*browser, f"--window-size={WIDTH},400", "--dump-dom", page.as_uri()],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r'data-height="(\d+)"', dumped.stdout)
    height = int(found[1]) if found else 900
    raw = folder / f"{name}.png"
    subprocess.run(
        [*browser, f"--window-size={WIDTH},{height}", f"--screenshot={raw}", page.as_uri()],
        check=True,
        capture_output=True,
    )
    (FOLDER / f"{name}.png").write_bytes(raw.read_bytes())


def main() -> None:
    """Play, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modules", type=Path, required=True)
    parser.add_argument("--chromium", default="chromium")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        card, story = asyncio.run(play(folder))
        entry = folder / "entry.js"
        core = (arguments.modules / "@skyra/discord-components-core/dist/index.js").resolve()
        entry.write_text(f"import {json.dumps(str(core))};\n")
        subprocess.run(
            [
                *(str(arguments.modules / ".bin/esbuild"), str(entry), "--bundle"),
                *("--format=esm", f"--outfile={folder / 'bundle.js'}"),
            ],
            check=True,
            capture_output=True,
        )
        draw(card, "card", folder, arguments.chromium)
        draw(story, "story", folder, arguments.chromium)


if __name__ == "__main__":
    main()
