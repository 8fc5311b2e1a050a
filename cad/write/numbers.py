"""How numbers are written on the pages: digits for what is measured in a body, a true minus sign."""

from __future__ import annotations


def millimetres(value: float | None) -> str:
    """A length to a tenth of a millimetre."""
    return "–" if value is None else f"{value:.1f} mm".replace("-", "−")


def number(value: float | None) -> str:
    """Three or so significant digits, no exponent for what is measured in a body: 5.37, 23.4, 123, 4120."""
    if value is None:
        return "–"
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:.{decimals}f}".replace("-", "−")


def span(interval: tuple[float, float], ucum: str) -> str:
    """An interval with the digits its value is shown with."""
    low, high = (f"{end:.1f}".replace("-", "−") if ucum == "mm" else number(end) for end in interval)
    return f"{low} – {high}"
