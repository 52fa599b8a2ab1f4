"""URLs beside libpq's own reading of them."""

from __future__ import annotations

import base64

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from sopsmith.postgres import consumers, endpoint
from sopsmith.postgres.consumers import Live

PIECES = st.lists(st.sampled_from([*"ab@:/?#[]&=+,;é", "%41", "%2F", "%C3%A9", "h1:1,h2:2", "[::1]",
                                   "host=", "port=1", "user=", "password=", "dbname=", "ssl=true",
                                   "sslmode=disable"]), max_size=9)  # fmt: skip


def ours(url: str) -> dict[str, str]:
    found = endpoint.parse(url)
    secret = "" if found.password is None else found.password.text() or ""
    named = {"host": found.host, "port": found.port, "user": found.user, "dbname": found.database}
    return {**named, "password": secret, **found.options}


def libpqs(url: str) -> dict[str, str]:
    found = {name: str(text) for name, text in conninfo_to_dict(url).items()}
    ports = found.get("port", "").split(",")
    found["port"] = ",".join(each or "5432" for each in ports)
    found["dbname"] = found.get("dbname") or found["user"]
    return {"password": "", **found}


def both(url: str) -> tuple[dict[str, str], dict[str, str]] | None:
    """Both readings; None where one of the two refuses it."""
    try:
        return ours(url), libpqs(url)
    except (ValueError, psycopg.Error):
        return None


@given(PIECES, PIECES)
def test_it_is_libpqs_reading_or_none(place: list[str], query: list[str]) -> None:
    for url in (
        "".join(place),
        f"u:p@h/d?{'&'.join(query)}",
        f"u@{''.join(place)}?{'&'.join(query)}",
    ):
        read = both(f"postgresql://{url}")
        assert read is None or read[0] == read[1]


@pytest.mark.parametrize(
    "url",
    ["u:p@h1:1,h2:2/d", "u:p@h1,h2:2/d", "u:p@h1,h2/d", "u:p@[::1]:1,h/d", "u:p@[fe80::1%25e]/d",
     "u:p@h/d?host=other&user=v&password=q&dbname=e&port=7", "u:p@h/d?application_name=a+b",
     "u:p@h/d?ssl=true", "h/d?user=u@v&password=p@q", "u:p#q@h/d#e", "u:p@%2Ftmp%2FSock/d",
     "u:p@/d?host=/tmp"],
)  # fmt: skip
def test_it_is_read_as_libpq_does(url: str) -> None:
    read = both(f"postgresql://{url}")
    assert read is not None and read[0] == read[1]


@pytest.mark.parametrize(
    "url",
    ["u:p@[::1", "u:p@h:0/d", "u:p@h:x/d", "u:p@h:65536/d", "u:%ff@h/d", "u:p%00@h/d",
     "u:\udcff@h/d", "u:p@h/d\n", "@h/d", "u:p@/d"],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="^(is|has|names) no|^has a p|^has white"):
        endpoint.parse(f"postgresql://{url}")


@pytest.mark.parametrize(
    "url",
    ["postgresql://shop:S3cr@t/partOfIt@localhost:5432/orders", "postgresql://shop:S3cr@t@h/d",
     "postgresql://shop:S3cr@t?partOfIt@h/d", "postgresql://shop:S3cr@t/part?Of=It@h/d",
     "postgresql://shop:S3cr@t?user@h/d", "postgresql://shop:S3cr@t/part#OfIt@h/d",
     "redis://:S3c@ret/partOfIt@localhost:6379/0", "redis://cache:12/partOfIt@localhost/0",
     "redis://cache:12/part?OfIt@localhost/0", "redis://S3cret@h/0", "redis://S3cret:@h/0"],
)  # fmt: skip
def test_no_piece_of_a_password_is_taken_for_what_people_see(url: str) -> None:
    with pytest.raises(ValueError, match="^has an @ where none can be|^has a user and no password"):
        endpoint.parse(url)


@pytest.mark.parametrize("name", sorted(
    each.keyword.decode() for each in Conninfo.get_defaults() if each.keyword != b"port"
))  # fmt: skip
def test_a_bare_at_is_no_piece_of_a_password_in_what_libpq_knows(name: str) -> None:
    url = f"postgresql://u:p@h/d?{name}=left@right"
    assert endpoint.parse(url).user == libpqs(url)["user"]


@pytest.mark.parametrize("url", ["shop_a:x@h1:1,h2:2/d", "shop_a:x@h/d\n", "shop_a:1%off@h/d",
                                 "v:x@h/d?user=shop_a"])  # fmt: skip
def test_a_secret_names_the_role_however_it_is_written(url: str) -> None:
    data = {"URL": base64.b64encode(f"postgresql://{url}".encode()).decode()}
    live = Live(({"metadata": {"name": "s"}, "data": data},), (), (), {})
    assert consumers.naming(live, "shop_a") == {"s"}
