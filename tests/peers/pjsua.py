"""PJSIP as a phone, in a process of its own: calls, holds, resumes, hangs up, and tells what came.

    python -m tests.peers.pjsua '{"address": …, "port": …, "target": …, "sound": …, "heard": …, …}'

Steps are `wait SECONDS`, `hold`, `resume`, `update` and `hangup`; each line of output is an event.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pjsua2 as pj


def say(*words: object) -> None:
    print(*words, flush=True)


class Call(pj.Call):  # type: ignore[misc]
    """Plays the sound into the call, and records what comes."""

    def __init__(self, account: pj.Account, plan: dict[str, Any]) -> None:
        super().__init__(account)
        self.plan = plan
        self.kept: list[Any] = []

    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        say("state", info.stateText, info.lastStatusCode)

    def onCallMediaState(self, _: Any) -> None:
        info = self.getInfo()  # its parts do not outlive it
        for index, media in enumerate(info.media):
            say("media", media.status, media.dir)
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE and not self.kept:
                line = self.getAudioMedia(index)
                player, recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
                player.createPlayer(self.plan["sound"], pj.PJMEDIA_FILE_NO_LOOP)
                recorder.createRecorder(self.plan["heard"])
                player.startTransmit(line)
                line.startTransmit(recorder)
                self.kept += [player, recorder]


def main(plan: dict[str, Any]) -> None:
    """Make the call that the plan says."""
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.noVad = True
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.port = plan["port"]
    transport.boundAddress = plan["address"]
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    account_config = pj.AccountConfig()
    account_config.idUri = f"sip:pj@{plan['address']}:{plan['port']}"
    media = account_config.mediaConfig
    media.transportConfig.boundAddress = plan["address"]
    media.transportConfig.port = plan["rtp"]
    media.srtpUse = pj.PJMEDIA_SRTP_MANDATORY if plan["srtp"] else pj.PJMEDIA_SRTP_DISABLED
    media.srtpSecureSignaling = 0
    account_config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    account_config.callConfig.timerSessExpiresSec = 120
    account_config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
    account = pj.Account()
    account.create(account_config)
    call = Call(account, plan)
    call.makeCall(plan["target"], pj.CallOpParam(True))
    for step in plan["steps"]:
        take(endpoint, call, step)
    sys.stdout.flush()
    os._exit(0)  # the library aborts when Python takes it apart


def take(endpoint: pj.Endpoint, call: Call, step: str) -> None:
    """One step, and then a moment for what it brings about."""
    say("step", step)
    option = pj.CallOpParam(True)
    match step.split():
        case ["hold"]:
            call.setHold(option)
        case ["resume"]:
            option.opt.flag = pj.PJSUA_CALL_UNHOLD
            call.reinvite(option)
        case ["update"]:
            call.update(option)
        case ["hangup"]:
            statistics = call.getStreamStat(0)
            say("received", statistics.rtcp.rxStat.pkt, "lost", statistics.rtcp.rxStat.loss)
            call.kept.clear()  # the recording is whole
            call.hangup(pj.CallOpParam())
    seconds = float(step.split()[1]) if step.startswith("wait") else 0.5
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        endpoint.libHandleEvents(20)


if __name__ == "__main__":
    parsed = json.loads(sys.argv[1])
    Path(parsed["heard"]).parent.mkdir(exist_ok=True)
    main(parsed)
