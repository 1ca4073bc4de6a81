"""What a peer or a proxy names, and whose address that is."""

import pytest

from authsvc import networks

V4, V6 = "203.0.113.5", "2001:db8:1:2::3"
# What is named: whose address it is.
NAMED: dict[str, str | None] = {
    V4: V4,
    f" {V4} ": V4,
    f"{V4}:1": V4,
    f"{V4}:65535": V4,
    f'"{V4}:4711"': V4,
    f"::ffff:{V4}": V4,
    "::ffff:cb00:7105": V4,
    "0:0:0:0:0:ffff:203.0.113.5": V4,
    f"[::ffff:{V4}]": V4,
    f"[::ffff:{V4}]:4711": V4,
    f"::FFFF:{V4}": V4,
    f"::ffff:{V4}%eth0": V4,
    f"64:ff9b::{V4}": V4,
    "64:ff9b::cb00:7105": V4,
    f"[64:ff9b::{V4}]:4711": V4,
    "2002:cb00:7105::1": V4,
    "2002:cb00:7105:ffff::1": V4,
    V6: V6,
    V6.upper(): V6,
    "2001:0db8:0001:0002:0000:0000:0000:0003": V6,
    f"[{V6}]": V6,
    f"[{V6}]:4711": V6,
    f'"[{V6}]:4711"': V6,
    f"{V6}%eth0": V6,
    f"[{V6}%25eth0]:4711": V6,
    "fe80::1%enp0s31f6": "fe80::1",
    "10.0.0.7": "10.0.0.7",
    "127.0.0.1:5000": "127.0.0.1",
    # Nobody is this machine by way of a translator, and not every /96 is one.
    "64:ff9b::127.0.0.1": "64:ff9b::7f00:1",
    "2002:7f00:1::": "2002:7f00:1::",
    "::ffff:127.0.0.1": "127.0.0.1",
    "64:ff9b:1::cb00:7105": "64:ff9b:1::cb00:7105",
    **dict.fromkeys(
        (
            "", " ", "-", "unknown", "UNKNOWN", "_hidden", "localhost", "example.com", "example.com:80", "null", "None",
            "203.0.113", "203.0.113.5.6", "203.0.113.256", "0203.0.113.5", "3405803781", "0xcb007105", "203.0.113.5/32",
            "２０３.0.113.5", "203.0.113.5:", "203.0.113.5:http", "203.0.113.5:٣", "[203.0.113.5", "203.0.113.5]", "[]",
            "[]:80", "[::1", f"[{V6}]x", f"[{V6}]:", f"[{V6}]:x", f"{V6}:g", ":::", "1::2::3", "%eth0", "::%", "\0",
            "ö", "203.0.113.5, 203.0.113.6", "203.0.113.5 203.0.113.6", f"for={V4}", "x" * 5000,
            f"{V4}:" + "1" * 5000,
            f"[{V6}%" + "z" * 5000 + "]:1", "::" + " " * 200 + "1", "0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1",
            "ff02::1",
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("named, known", NAMED.items(), ids=ascii)
def test_what_is_named_is_one_address_in_one_spelling_or_not_known(named: str, known: str | None) -> None:
    assert networks.address(named) == known


def test_nothing_names_nobody() -> None:
    assert networks.address(None) is None


@pytest.mark.parametrize("known", sorted({known for known in NAMED.values() if known}))
def test_what_is_known_stays_as_it_is_and_fits_a_column(known: str) -> None:
    assert networks.address(known) == known
    assert len(known) <= len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    assert networks.subscriber(known) and networks.site(known)


def test_a_subscriber_holds_an_ipv4_address_or_a_64() -> None:
    assert networks.subscriber(V4) == V4 != networks.subscriber("203.0.113.6")
    assert (
        networks.subscriber("2001:db8:1:2:ffff::9") == networks.subscriber(V6) != networks.subscriber("2001:db8:1:3::3")
    )
    assert networks.site("2001:db8:1:2ff::") != networks.site("2001:db8:1:3ff::")
    assert networks.site("2001:db8:1:201::") == networks.site("2001:db8:1:2ff::")


@pytest.mark.parametrize("known, is_own", {"127.0.0.1": True, "::1": True, V4: False, V6: False}.items())
def test_a_proxy_on_this_machine_is_told(known: str, is_own: bool) -> None:
    assert networks.is_neighbour(known) is is_own


@pytest.mark.parametrize("host", [None, "localhost", "127.0.0.1", "127.0.0.2", "::1"])
def test_a_host_that_is_this_machine_is_known(host: str | None) -> None:
    assert networks.is_this_machine(host)


@pytest.mark.parametrize("host", ["", V4, V6, "0.0.0.0", "login.example.com", "localhost.example.com"])
def test_any_other_host_is_not(host: str) -> None:
    assert not networks.is_this_machine(host)
