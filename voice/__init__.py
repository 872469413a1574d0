"""The conversation: who has the floor, what was said, what was really heard.

The pure part (`turn` and the files it stands on) turns events into commands on times it is given;
`session` is the asyncio shell around it. Knows the media plane's border and three small provider
protocols; knows no vendor, no SIP and no call.
"""
