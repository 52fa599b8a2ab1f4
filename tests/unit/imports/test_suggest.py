"""What an imported value could be: by names and shapes, and without a value in the answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsmith.imports.suggest import Suggestion, suggest
from sopsmith.model import Sensitive
from sopsmith.pipeline.derive import derive
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved
from sopsmith.recipes.schema import VALUE
from sopsmith.text import document

RANDOM = "q8Zr3vXw9TbN5yLk2MfC7hJd4PsG6aUe"
HEX = "5eed" * 16
DATABASE = {"POSTGRES_USER": "shop", "POSTGRES_HOST": "pg", "POSTGRES_DB": "orders"}


def suggested(values: dict[str, str | bytes]) -> dict[str, Suggestion]:
    found = suggest({name: Sensitive(text) for name, text in values.items()})
    assert [each.name for each in found] == list(values)
    return {each.name: each for each in found}


def only(name: str, text: str) -> Suggestion:
    return suggested({name: text})[name]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("POSTGRES_PASSWORD", RANDOM, "generated"),
        ("JWT_SECRET", HEX, "generated"),
        ("ADMIN_PASS", "hunter2", "generated"),
        ("CSRF_TOKEN", RANDOM, "generated"),
        ("REDIS_AUTH_KEY", RANDOM, "generated"),
        ("SECRET_KEY_BASE", HEX, "generated"),
        ("jwt-secret", RANDOM, "generated"),
        ("DEPLOY_KEY", "-----BEGIN OPENSSH PRIVATE KEY-----\nb\n", "generated"),
        ("SOPS_IDENTITY", "AGE-SECRET-KEY-1ABC", "generated"),
        ("PASSWORD_MASTER_KEY", RANDOM, "at rest"),
        ("ENCRYPTION_KEY", HEX, "at rest"),
        ("BACKUP_ENCRYPTION_PASSPHRASE", RANDOM, "at rest"),
        ("APP_KEY", "base64:" + RANDOM, "at rest"),
        ("PASSWORD_PEPPER", RANDOM, "at rest"),
        ("GOOGLE_CLIENT_SECRET", RANDOM, "third party"),
        ("GOOGLE_CLIENT_ID", "1-a.apps.googleusercontent.com", "third party"),
        ("STRIPE_SECRET_KEY", "sk_live_" + RANDOM, "third party"),
        ("PAYMENT_KEY", "sk_test_" + RANDOM, "third party"),
        ("AWS_SECRET_ACCESS_KEY", RANDOM, "third party"),
        ("SMTP_PASSWORD", "hunter2", "third party"),
        ("CI_TOKEN", "ghp_" + RANDOM, "third party"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/" + RANDOM, "third party"),
        ("SENTRY_DSN", "https://abc@o1.ingest.sentry.io/2", "third party"),
        ("POSTGRES_HOST", "postgres", "public"),
        ("SMTP_PORT", "587", "public"),
        ("AWS_REGION", "eu-central-1", "public"),
        ("LOG_LEVEL", "info", "public"),
        ("FEATURE_X", "true", "public"),
        ("PUBLIC_URL", "https://shop.example.com", "public"),
        ("LETSENCRYPT_EMAIL", "ops@shop.example", "public"),
        ("SESSION_COOKIE_NAME", "sid", "public"),
        ("TOKEN_TTL", "3600", "public"),
        ("DOOR_PASSWORD", "1234", "generated"),
        ("SOMETHING", RANDOM, "given"),
        ("MOTTO", "buy more", "given"),
        ("EMPTY_SECRET", "", "given"),
        ("BROKER_URL", "amqp://guest:" + RANDOM + "@mq/", "given"),
        ("TLS_PEM", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n", "given"),
    ],
)  # fmt: skip
def test_a_value_is_known_by_its_name_and_shape(name: str, text: str, what: str) -> None:
    assert only(name, text).what == what


@pytest.mark.parametrize(
    ("text", "generator"),
    [
        (HEX, {"bytes": {"size": 32, "encoding": "hex"}}),
        (RANDOM, {"password": {"length": 32}}),
        ("hunter2", {"password": {"length": 32}}),
        ("x" * 40 + "!", {"password": {"length": 41}}),
        ("AAECAwQFBgcICQoLDA0ODw==", {"bytes": {"size": 16, "encoding": "base64"}}),
        ("__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA",
         {"bytes": {"size": 32, "encoding": "base64url"}}),
    ],
)  # fmt: skip
def test_a_generator_makes_values_of_the_same_shape(text: str, generator: Any) -> None:
    assert only("JWT_SECRET", text).fields == {"generate": generator, "stored": True}


@pytest.mark.parametrize(("text", "told"), [("hunter2", True), (RANDOM, False)])
def test_a_weak_secret_is_told(text: str, told: bool) -> None:
    assert ("easy to guess" in only("ADMIN_PASSWORD", text).why) is told


def test_bytes_stay_a_file() -> None:
    assert suggested({"KEYSTORE": b"\xff\xfe"})["KEYSTORE"].what == "given"


def test_an_empty_value_may_be_empty() -> None:
    assert only("OLD", "").line == "OLD: {rules: {minLength: 0}}"


# --- derived --------------------------------------------------------------------------------------


def derived_again(values: dict[str, str], name: str) -> str:
    """What a render would make of the suggested line."""
    each = suggested(dict(values))[name]
    assert each.what == "derived", each
    spec: dict[str, Any] = {name: {} for name in values} | {name: dict(each.fields)}
    line = document.parse(each.line.encode())  # what is shown is what is meant
    assert line == {name: each.fields} and not list(VALUE.check(spec[name], ""))
    whole = {"app": "shop", "environment": "production", "values": spec,
             "secrets": {"shop": {"keys": sorted(values)}}}  # fmt: skip
    recipe = parse(Resolved("recipe.yaml", whole, {}))
    given = {n: Sensitive(text) for n, text in values.items() if n != name}
    return str(derive(recipe, given, {}).values[name].reveal())


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://shop:{RANDOM}@pg:5432/orders",
        f"postgresql://shop:{RANDOM}@pg/orders?sslmode=require",
        f"postgresql+asyncpg://shop:{RANDOM}@db.example.com:6432/orders",
        f"redis://:{RANDOM}@redis:6379/0",
        f"amqp://shop:{RANDOM}@mq:5672/%2F",
        f"mysql://root:{RANDOM}@[fd00::1]:3306",
        f"http://shop:{RANDOM}@pg/a/b/",
    ],
)
def test_a_url_is_derived_where_composing_it_gives_it_back(text: str) -> None:
    values = {**DATABASE, "POSTGRES_PASSWORD": RANDOM, "DATABASE_URL": text}
    assert derived_again(values, "DATABASE_URL") == text
    assert suggested(dict(values))["DATABASE_URL"].proposal is not None


def test_every_part_that_stands_elsewhere_is_referred_to() -> None:
    text = f"postgresql://shop:{RANDOM}@pg:5432/orders"
    values = {**DATABASE, "POSTGRES_PORT": "5432", "PG_PASSWORD": RANDOM, "DATABASE_URL": text}
    assert suggested(dict(values))["DATABASE_URL"].fields["derive"]["url"] == {
        "scheme": "postgresql",
        "user": "$(POSTGRES_USER)",
        "password": "$(PG_PASSWORD)",
        "host": "$(POSTGRES_HOST)",
        "port": "$(POSTGRES_PORT)",
        "path": "$(POSTGRES_DB)",
    }


def test_a_public_part_of_another_family_is_no_reference() -> None:
    values = {"SMTP_HOST": "pg", "APP_NAME": "orders", "PG_PASSWORD": RANDOM,
              "DATABASE_URL": f"postgresql://shop:{RANDOM}@pg/orders"}  # fmt: skip
    url = suggested(dict(values))["DATABASE_URL"].fields["derive"]["url"]
    assert (url["host"], url["path"]) == ("pg", "orders")


@pytest.mark.parametrize("password", ["p@ss/w0rd", "a:b?c#d%41", "100%25 sure", "plus+equal=="])
def test_a_password_is_found_percent_encoded_and_raw(password: str) -> None:
    encoded = f"postgresql://shop:{quote(password, safe='')}@pg/orders"
    values = {**DATABASE, "POSTGRES_PASSWORD": password}
    assert derived_again({**values, "DATABASE_URL": encoded}, "DATABASE_URL") == encoded
    raw = f"postgresql://shop:{password}@pg/orders"
    assert derived_again({**values, "DATABASE_URL": raw}, "DATABASE_URL") == encoded


@pytest.mark.parametrize(("password", "told"), [("p@ss/w0rd", "not percent-encoded"),
                                                ("plus+equal==", "reads the same")])  # fmt: skip
def test_what_changes_in_a_url_is_told(password: str, told: str) -> None:
    raw = f"postgresql://shop:{password}@pg/orders"
    found = suggested({"POSTGRES_PASSWORD": password, "DATABASE_URL": raw})["DATABASE_URL"]
    assert told in found.why and found.proposal and not found.proposal.is_exact


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://shop:{RANDOM}x@pg/orders",  # another password
        "postgresql://shop@pg/orders",
        f"postgresql://shop:{RANDOM}@pg1,pg2/orders",
        f"postgresql://shop:{RANDOM}@pg/orders#part",
        f"postgresql://shop:{RANDOM}@pg:0/orders",
        f"postgresql://shop:{RANDOM}@pg:99999/orders",
        f"postgresql://shop:{RANDOM}@pg/orders?a",
        f"postgresql://shop:{RANDOM}@pg/orders?a=1&a=2",
        f"postgresql://shop:{RANDOM}@pg/orders?a=b+c",
        f"postgresql://shop:{RANDOM}@pg/orders?token=abc",  # a secret that stands nowhere else
        f"postgresql://shop:{RANDOM}@pg/{RANDOM}x",
        f"jdbc:postgresql://pg/orders?user=shop&password={RANDOM}",
    ],
)
def test_what_can_not_be_composed_again_is_not_derived(text: str) -> None:
    values = {**DATABASE, "POSTGRES_PASSWORD": RANDOM, "DATABASE_URL": text}
    assert suggested(dict(values))["DATABASE_URL"].what != "derived"


def test_a_password_in_the_query_is_a_reference_too() -> None:
    text = f"postgresql://shop:{RANDOM}@pg/orders?sslpassword={HEX}"
    values = {"POSTGRES_PASSWORD": RANDOM, "SSL_KEY_PASSWORD": HEX, "DATABASE_URL": text}
    assert derived_again(values, "DATABASE_URL") == text
    url = suggested(dict(values))["DATABASE_URL"].fields["derive"]["url"]
    assert url["query"] == {"sslpassword": "$(SSL_KEY_PASSWORD)"}


def test_a_short_password_is_known_by_its_name_alone() -> None:
    url = "amqp://guest:guest@mq:5672/%2F"
    assert suggested({"A": "guest", "AMQP_URL": url})["AMQP_URL"].what == "given"
    assert suggested({"AMQP_PASSWORD": "guest", "AMQP_URL": url})["AMQP_URL"].what == "derived"


def test_the_same_secret_twice_is_one_value() -> None:
    found = suggested({"POSTGRES_PASSWORD": RANDOM, "DB_PASSWORD": RANDOM})
    assert found["POSTGRES_PASSWORD"].what == "generated"
    assert found["DB_PASSWORD"].line == "DB_PASSWORD: {derive: {template: $(POSTGRES_PASSWORD)}}"


def test_the_same_public_text_twice_is_two_values() -> None:
    found = suggested({"POSTGRES_USER": "reconciliation", "POSTGRES_DB": "reconciliation"})
    assert {each.what for each in found.values()} == {"public"}


def test_a_key_of_data_at_rest_never_follows_another() -> None:
    found = suggested({"JWT_SECRET": RANDOM, "ENCRYPTION_KEY": RANDOM})
    assert found["ENCRYPTION_KEY"].what == "at rest"


# --- silence --------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["A", "PG_PASSWORD", "JWT_SECRET", "HOST", "DATABASE_URL", "ENC_KEY", "X_ID"]
)


@given(st.dictionaries(NAMES, st.text(min_size=1)))
def test_every_line_is_a_recipe_s_and_holds_no_value(values: dict[str, str]) -> None:
    for each in suggest({name: Sensitive(text) for name, text in values.items()}):
        assert document.parse(each.line.encode())
        if each.what != "public":
            assert not list(VALUE.check(dict(each.fields), ""))


@pytest.mark.parametrize("name", ["MOTTO_TEXT", "POSTGRES_PASSWORD", "ENC_KEY", "SMTP_USER", "URL"])
def test_a_suggestion_quotes_no_value(name: str) -> None:
    held = "hunter2!hunter2"
    found = only(name, held)
    assert held not in found.line + found.why
