"""What a call's document tells of the conversation: messages, transcript, latencies, artifacts."""

from statistics import fmean
from typing import Any

from ..voice.conversation_events import AssistantTurn, UserTurn
from ..voice.latency import TurnLatency


class Report:
    """Gathers the conversation of one call. Times come as monotonic seconds."""

    def __init__(self, *, wall_offset: float) -> None:
        """`wall_offset` added to monotonic seconds gives epoch seconds."""
        self._offset = wall_offset
        self._began: float | None = None
        self._messages: list[dict[str, Any]] = []
        self._latencies: list[TurnLatency] = []
        self._user_interruptions = 0

    def begin(self, at: float) -> None:
        """The call was answered at `at`."""
        self._began = at

    def user(self, turn: UserTurn) -> None:
        """Add what the caller said; an amended turn takes the place of the last one."""
        entry = self._entry("user", turn.text, turn.started_at, turn.ended_at)
        for index in reversed(range(len(self._messages)) if turn.amended else ()):
            if self._messages[index]["role"] == "user":
                self._messages[index] = entry
                return
        self._messages.append(entry)

    def assistant(self, turn: AssistantTurn) -> None:
        """Add what the caller heard of the assistant."""
        self._messages.append(self._entry("bot", turn.text, turn.started_at, turn.ended_at))
        self._user_interruptions += turn.interrupted

    def latency(self, latency: TurnLatency) -> None:
        """Add the latency of one turn."""
        self._latencies.append(latency)

    def artifact(self) -> dict[str, Any]:
        """The `artifact` object: messages, transcript, performance metrics."""
        speakers = {"user": "User", "bot": "AI"}
        lines = (f"{speakers[m['role']]}: {m['message']}\n" for m in self._messages)
        return {
            "messages": self._messages,
            "messagesOpenAIFormatted": [
                {
                    "role": "assistant" if m["role"] == "bot" else "user",
                    "content": m["message"],
                }
                for m in self._messages
            ],
            "transcript": "".join(lines),
            "performanceMetrics": self._metrics(),
        }

    def _entry(self, role: str, text: str, started: float, ended: float) -> dict[str, Any]:
        return {
            "role": role,
            "message": text,
            "time": round((started + self._offset) * 1000),
            "endTime": round((ended + self._offset) * 1000),
            "duration": round((ended - started) * 1000),
            "secondsFromStart": round(started - (self._began or started), 3),
        }

    def _metrics(self) -> dict[str, Any]:
        turns = [latency_document(latency) for latency in self._latencies]
        metrics: dict[str, Any] = {
            "turnLatencies": turns,
            "numUserInterrupted": self._user_interruptions,
        }
        for key in turns[0] if turns else ():
            metrics[f"{key}Average"] = round(fmean(turn[key] for turn in turns), 1)
        return metrics


def latency_document(latency: TurnLatency) -> dict[str, float]:
    """One turn's latency in milliseconds, in the names of the contract and in our parts."""
    parts = {
        "modelLatency": latency.model_ms,
        "voiceLatency": latency.voice_ms,
        "transcriberLatency": latency.transcriber_ms,
        "endpointingLatency": latency.endpointing_ms,
        "turnLatency": latency.total_ms,
        "textLatency": latency.text_ms,
        "holdLatency": latency.hold_ms,
        "decisionLatency": latency.decision_ms,
        "playoutLatency": latency.playout_ms,
        "runtimeLatency": latency.own_ms,
    }
    return {name: round(value, 1) for name, value in parts.items()}
