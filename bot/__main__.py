"""``python -m bot``: the same as the command ``roundtale``."""

from bot.cli import main

main()
