"""What people are shown of a User-Agent: the browser's own name and not that of its ancestors, or nothing."""

import pytest

from authsvc.services.sessions.devices import describe

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
KNOWN = {
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Safari/537.36": "Chrome · Windows",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Safari/537.36 Edg/140.0.0.0": "Edge · Windows",
    f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Safari/537.36 OPR/124.0.0.0": "Opera · Linux",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0": "Firefox · Linux",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0"
    " Safari/605.1.15": "Safari · macOS",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " CriOS/140.0 Mobile/15E148 Safari/604.1": "Chrome · iPhone",
    f"Mozilla/5.0 (Linux; Android 15; K) {WEBKIT} Mobile Safari/537.36": "Chrome · Android",
    f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Safari/537.36 MicroMessenger/7.0.20": "WeChat · Windows",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Safari/537.36": "Chrome · ChromeOS",
    "curl/8.5.0": "",
    "": "",
    "<script>alert(1)</script> your own phone": "",
}


@pytest.mark.parametrize("user_agent, shown", KNOWN.items())
def test_a_user_agent_in_words(user_agent: str, shown: str) -> None:
    assert describe(user_agent) == shown
