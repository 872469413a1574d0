"""How good a line sounds, computed from its loss and delay: the E-model (ITU-T G.107, narrowband).

All parameters but loss and delay have their default values. G.711 with concealment in the manner of
its Appendix I has Ie = 0 and Bpl = 25.1 (ITU-T G.113); other codecs are judged by the same curve,
since all that is heard is 8 kHz sound.
"""

BASIC = 93.2
ROBUSTNESS = 25.1
"""Bpl: packet-loss robustness, percent."""


def r_factor(*, loss: float, burst_ratio: float = 1.0, delay_ms: float = 0.0) -> float:
    """The transmission rating, 0 to 93.2. `loss` is a fraction, `delay_ms` mouth to ear.

    `burst_ratio` is the mean run of lost packets over what random loss would give; 1 or more.
    """
    percent = 100 * loss
    impairment = 95 * percent / (percent / max(burst_ratio, 1.0) + ROBUSTNESS)
    late = 0.024 * delay_ms + 0.11 * max(delay_ms - 177.3, 0.0)
    return max(BASIC - late - impairment, 0.0)


def mos(rating: float) -> float:
    """The mean opinion score of a rating (ITU-T G.107 annex B), 1 to 4.5."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    return max(1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating), 1.0)
