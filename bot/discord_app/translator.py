"""Command names, options and explanations in the languages of the catalogue.

Invariant: a name that Discord would refuse stays English; nothing is translated here
that is not in the catalogue.
"""

import re

import discord
from discord import app_commands

from bot.locales import catalogue

_NAME = re.compile(r"[-_'\w]{1,32}", re.UNICODE)
_DESCRIPTION_LIMIT = 100
_NAMES = frozenset(
    {
        app_commands.TranslationContextLocation.command_name,
        app_commands.TranslationContextLocation.group_name,
        app_commands.TranslationContextLocation.parameter_name,
    }
)


class GettextTranslator(app_commands.Translator):
    """Looks strings up where every other visible string is looked up."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """Return a string in a locale; None where it stays English."""
        found = catalogue(locale.value).gettext(string.message)
        if found == string.message:
            return None
        if context.location in _NAMES:
            is_usable = _NAME.fullmatch(found) is not None and found == found.lower()
            return found if is_usable else None
        return found[:_DESCRIPTION_LIMIT]
