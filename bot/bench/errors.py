"""What can keep a measurement from being made, each with its own sentence."""

from bot.errors import RoundtaleError
from bot.locales import N_


class BenchError(RoundtaleError):
    """A measurement cannot be made."""

    code = "bench"


class ChartUnwritableError(BenchError):
    """The chart's file cannot be written."""

    code = "bench.chart_unwritable"
    message = N_("The chart cannot be written to {path} ({cause}).")


class WindowTooShortError(BenchError):
    """The model cannot take the lengths that are measured."""

    code = "bench.window_too_short"
    message = N_("{model} takes {window} tokens, and {needed} are measured. Choose another model.")


class ShortTextError(BenchError):
    """A way of writing gave fewer tokens than were asked for, so that its time means nothing."""

    code = "bench.short_text"
    message = N_("{way} wrote {written} tokens where {wanted} were asked for.")


class BrokenOffError(BenchError):
    """The process that measures ended without a result."""

    code = "bench.broken_off"
    message = N_("The measurement broke off: {why}")
