"""What the Discord side is given: the use cases and the store behind them."""

from dataclasses import dataclass

from bot.service.concepts import ConceptService
from bot.service.settings import SettingsService
from bot.service.stories import StoryService
from bot.story.ports import Store


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases that Discord calls."""

    store: Store
    stories: StoryService
    concepts: ConceptService
    settings: SettingsService
