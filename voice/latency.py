"""Whose milliseconds? The way from the caller's last speech to the assistant's first packet.

One turn is cut at checkpoints that follow each other, so that no moment is counted twice and the
parts add up to the whole:

    last speech ─ endpointing ─ p ─ transcriber, decision ─ r ─ model ─ k ─ text ─ u ─ voice ─ a
                                                     ─ hold ─ h ─ playout ─ first packet

- *last speech*: arrival of the packet with the caller's last speech, the speech detector's
  overhang taken off;
- *endpointing* (policy), to p: the wait that the text asks for, or the stop window if longer;
- *transcriber* (provider): within p … r, from the request to finalize until the transcript was
  settled. What of it ran during the policy wait costs nothing and is not counted here;
- *decision* (ours): the rest of p … r, where r is when the model was asked;
- *model* (provider), to k: its first token; *text*, to u: tokens and the chunking policy until the
  first clause was complete; *voice* (provider), to a: its first audio;
- *hold* (policy), to h: audio kept back by `wait_s` or `backoff_s`;
- *playout* (ours): until the first packet left.

The runtime's own share is *decision* + *playout*.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnLatency:
    """The parts of one turn's latency, milliseconds. They add up to `total_ms`."""

    generation: int
    at: float
    endpointing_ms: float
    transcriber_ms: float
    decision_ms: float
    model_ms: float
    text_ms: float
    voice_ms: float
    hold_ms: float
    playout_ms: float
    total_ms: float

    @property
    def own_ms(self) -> float:
        """What the runtime itself took, beside providers and configured waits."""
        return self.decision_ms + self.playout_ms


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """How the end of a caller's turn was found, in monotonic seconds."""

    last_speech_at: float
    policy_until: float
    finalize_at: float
    settled_at: float


@dataclass(slots=True)
class Checkpoints:
    """When a reply to a caller's turn reached each stage; filled in as it happens."""

    end: TurnEnd
    requested_at: float
    first_text_at: float | None = None
    first_unit_at: float | None = None
    first_audio_at: float | None = None
    hold_until: float = 0.0

    def report(self, generation: int, started_at: float) -> TurnLatency:
        """The parts, once the first packet left at `started_at`."""
        begin = self.end.last_speech_at
        marks = [begin]
        for mark in (
            self.end.policy_until,
            self.requested_at,
            self.first_text_at,
            self.first_unit_at,
            self.first_audio_at,
            self.hold_until,
        ):
            # A checkpoint that never came, or came out of order, leaves its part empty.
            marks.append(min(max(mark or 0.0, marks[-1]), max(started_at, marks[0])))
        _, policy, requested, text, unit, audio, hold = marks
        asked = min(max(policy, self.end.finalize_at), requested)
        transcriber = min(max(self.end.settled_at, asked), requested) - asked
        end = max(started_at, hold)
        return TurnLatency(
            generation=generation,
            at=started_at,
            endpointing_ms=(policy - begin) * 1000,
            transcriber_ms=transcriber * 1000,
            decision_ms=(requested - policy - transcriber) * 1000,
            model_ms=(text - requested) * 1000,
            text_ms=(unit - text) * 1000,
            voice_ms=(audio - unit) * 1000,
            hold_ms=(hold - audio) * 1000,
            playout_ms=(end - hold) * 1000,
            total_ms=(end - begin) * 1000,
        )
