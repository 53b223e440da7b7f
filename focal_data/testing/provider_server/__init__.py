"""A server on 127.0.0.1 that speaks the APIs of Anthropic and OpenAI, well or badly, as a test tells it to.

    async with ProviderServer() as server:
        server.then(Fail(429, retry_after=0), Say("Hello"))
        provider = OpenAIProvider(settings=settings, base_url=server.openai_url)
        assert "Hello" == (await provider.generate("Hi")).content
        assert 2 == len(server.requests)

It runs in the test's own event loop, on the standard library alone. Without a script it answers by itself: with what it was
asked, with the least that fits a schema, with vectors made from the texts. Requests are checked as the APIs check them.
"""

from __future__ import annotations

from focal_data.testing.provider_server.behaviours import (
    Behaviour,
    Fail,
    Garble,
    Hang,
    Received,
    Refuse,
    Reset,
    Say,
)
from focal_data.testing.provider_server.server import ProviderServer

__all__ = ["Behaviour", "Fail", "Garble", "Hang", "ProviderServer", "Received", "Refuse", "Reset", "Say"]
