"""The scripted caller speaks in its turn and measures the answers, on a hand-held clock."""

from aywa.cli.caller_turns import (
    FRAME_S,
    GAP_S,
    LAST_PATIENCE_S,
    PATIENCE_S,
    Action,
    Answered,
    CallerTurns,
    HangUp,
    SpeakLine,
)


class Line:
    """Feeds frames to the turns, 20 ms each, and keeps what they decided with its time."""

    def __init__(self, lines: int) -> None:
        self.frames = 0
        self.turns = CallerTurns(lines, self.now)
        self.actions: list[tuple[float, Action]] = []

    @property
    def now(self) -> float:
        return self.frames * FRAME_S

    def hear(self, seconds: float, *, speech: bool) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.frames += 1
            for action in self.turns.heard(self.now, (speech,)):
                self.actions.append((round(self.now, 3), action))

    def speak(self, seconds: float) -> None:
        self.hear(seconds, speech=False)
        self.turns.line_played(self.now)


def test_it_speaks_after_the_greeting_and_hangs_up_after_the_last_answer() -> None:
    line = Line(2)
    line.hear(0.5, speech=False)
    line.hear(2.0, speech=True)
    line.hear(GAP_S, speech=False)
    assert line.actions.pop() == (3.5, SpeakLine(0))
    line.speak(1.0)
    line.hear(0.7, speech=False)
    line.hear(1.0, speech=True)
    [(_, answered)] = line.actions
    assert isinstance(answered, Answered)
    assert (answered.index, round(answered.latency_s, 3)) == (0, 0.72)
    line.actions.clear()
    line.hear(GAP_S, speech=False)
    assert line.actions.pop() == (round(4.5 + 0.7 + 1.0 + GAP_S, 3), SpeakLine(1))
    line.speak(1.0)
    line.hear(0.4, speech=False)
    line.hear(0.5, speech=True)
    line.hear(GAP_S, speech=False)
    assert [type(action) for _, action in line.actions] == [Answered, HangUp]


def test_a_pause_inside_the_answer_is_not_its_end() -> None:
    line = Line(1)
    line.hear(1.0, speech=True)
    line.hear(GAP_S - 0.1, speech=False)
    line.hear(1.0, speech=True)
    assert line.actions == []


def test_clicks_are_not_an_answer_and_patience_ends() -> None:
    line = Line(1)
    for _ in range(10):
        line.hear(0.04, speech=True)
        line.hear(0.06, speech=False)
    assert line.actions == []
    line.hear(PATIENCE_S - 1.0, speech=False)
    assert line.actions == [(PATIENCE_S, SpeakLine(0))]
    line.actions.clear()
    line.speak(1.0)
    line.hear(LAST_PATIENCE_S, speech=False)
    assert [type(action) for _, action in line.actions] == [HangUp]


def test_nothing_is_decided_while_a_line_is_played_or_after_the_end() -> None:
    line = Line(1)
    line.hear(PATIENCE_S, speech=False)
    line.actions.clear()
    line.hear(PATIENCE_S * 3, speech=True)
    line.hear(PATIENCE_S * 3, speech=False)
    assert line.actions == []
