"""What an imported value could be besides given, from its name and its shape alone. Pure.

Nothing here prints a value: a suggestion names other values, sizes and public parts of URLs.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from sopsmith.imports import recomposed
from sopsmith.model import Sensitive
from sopsmith.recipes.entropy import STRONG, estimate
from sopsmith.recipes.kinds import ALPHANUMERIC
from sopsmith.text.notation import field

Class = Literal["derived", "generated", "at rest", "third party", "public", "given"]

_AT_REST = re.compile(
    r"(?<!LETS)(?<!LETS_)ENCRYPT|(^|_)(ENC|MASTER|DATA|FIELD|CIPHER|FERNET|VAULT|BACKUP|STORAGE|DISK|APP)_?KEY"
    r"|PEPPER|(^|_)SALT|AT_REST|(^|_)KEK|(^|_)DEK"
)
_VENDOR = re.compile(
    r"(^|_)(GOOGLE|GCP|FIREBASE|STRIPE|AWS|AMAZON|S3|AZURE|MICROSOFT|SMTP|E?MAIL|SENDGRID|MAILGUN"
    r"|POSTMARK|MAILCHIMP|SES|TWILIO|SLACK|DISCORD|TELEGRAM|GITHUB|GITLAB|BITBUCKET|SENTRY"
    r"|DATADOG|NEW_?RELIC|HONEYCOMB|OPENAI|FACEBOOK|INSTAGRAM|TWITTER|LINKEDIN|APPLE|PAYPAL|ADYEN"
    r"|MOLLIE|BRAINTREE|KLARNA|ALGOLIA|CLOUDFLARE|AUTH0|OKTA|LDAP|OIDC|OAUTH2?|SSO|SAML|RECAPTCHA"
    r"|HCAPTCHA|MAPBOX|SHOPIFY|HUBSPOT|INTERCOM|ZENDESK|SEGMENT|MIXPANEL|AMPLITUDE|PUSHER|FCM|APNS"
    r"|VONAGE|PLAID|SALESFORCE|DOCUSIGN|SNOWFLAKE|NPM|PYPI|DOCKERHUB|REGISTRY|LICEN[CS]E)(_|$)"
    r"|CLIENT_(ID|SECRET)$|WEBHOOK|(^|_)DSN$"
)
_ISSUED = re.compile(
    r"(sk|pk|rk)_(live|test)_|whsec_|AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|AIza|gh[pousr]_|github_pat_"
    r"|glpat-|xox[abprs]-|SG\.|key-[0-9a-f]{32}|eyJ[A-Za-z0-9_-]+\.eyJ|hvs\.|dop_v1_|npm_|pypi-"
    r"|[0-9]+-[a-z0-9]+\.apps\.googleusercontent\.com"
)
_SECRET = re.compile(
    r"SECRET|TOKEN|PASS(WORD|WD|PHRASE)?(_|$)|PASSWORD|(^|_)PW(D)?(_|$)|KEY|CREDENTIAL|SIGNING|JWT"
    r"|CSRF|XSRF|HMAC|COOKIE|SESSION|NONCE"
)
_PUBLIC = re.compile(
    r"(^|_|\.|-)(HOST(NAME)?|PORT|USER(NAME)?|DB|DATABASE|NAME|REGION|ZONE|LEVEL|MODE|ENV|DEBUG"
    r"|TIMEOUT|LOCALE|LANG|TZ|TIMEZONE|URL|URI|ORIGINS?|DOMAIN|BUCKET|ENDPOINT|FROM|TTL|SIZE|LIMIT"
    r"|ENABLED?|DISABLED?|VERSION|PATH|DIR|PREFIX|ISSUER|AUDIENCE|EXPIRES?(_IN)?|ALGORITHM|ROLE"
    r"|SCHEMA|SSLMODE|WORKERS|CONCURRENCY|INTERVAL|ADDR(ESS)?|E?MAIL|PUBLIC)$"
)
_NEVER_PUBLIC = re.compile("PASS|PWD|SECRET|CREDENTIAL|WEBHOOK")
_SWITCH = re.compile(r"[0-9]{1,5}|true|false|yes|no|on|off", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://")
_WITH_USER = re.compile(r"[a-z][a-z0-9+.-]*://.*@", re.DOTALL)
_PRIVATE_KEY = re.compile(r"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----")
_LONGEST_PUBLIC = 100  # characters


class Suggestion(NamedTuple):
    """What a value could be, why, and what its recipe would say then."""

    name: str
    what: Class
    why: str
    fields: Mapping[str, Any]  # {}: given, as it is imported
    proposal: recomposed.Proposal | None = None

    @property
    def line(self) -> str:
        """The value's line under `values:`; the text of a default is not shown."""
        if self.what == "public":
            return f"{self.name}: {{default: …}}"
        return field((self.name,), self.fields)


def suggest(values: Mapping[str, Sensitive]) -> tuple[Suggestion, ...]:
    """What each value could be, in their order; a file of bytes stays given."""
    texts = {name: text for name, value in values.items() if (text := value.text()) is not None}
    found: dict[str, Suggestion] = {}
    for name in values:
        if name not in texts:
            found[name] = Suggestion(name, "given", "bytes, kept as a file of its own", {})
            continue
        repeated = {n for n, each in found.items() if each.what == "derived"}
        others = {n: t for n, t in texts.items() if n != name and n not in repeated}
        earlier = {n: t for n, t in others.items() if n in found}
        found[name] = _derived(name, texts[name], others, earlier) or _by_itself(name, texts[name])
    return tuple(found.values())


def _derived(
    name: str, text: str, others: recomposed.Texts, earlier: recomposed.Texts
) -> Suggestion | None:
    composed = recomposed.url(name, text, others)
    if composed is not None:
        why = f"a URL made of {', '.join(composed.names)}"
        if composed.was_raw:
            why += "; the password in it is not percent-encoded, and would be"
        elif not composed.is_exact:
            why += "; written otherwise, and reads the same"
        return Suggestion(name, "derived", why, {"derive": composed.derive}, composed)
    if _AT_REST.search(name.upper()):
        return None
    again = recomposed.same(name, text, earlier)
    if again is not None:
        why = f"the same text as {again.names[0]}"
        return Suggestion(name, "derived", why, {"derive": again.derive}, again)
    return None


def _by_itself(name: str, text: str) -> Suggestion:
    upper = name.upper().replace("-", "_").replace(".", "_")
    if not text:
        return Suggestion(name, "given", "empty", {"rules": {"minLength": 0}})
    if _is_public(upper, text):
        return Suggestion(name, "public", "named and shaped like public text", {"default": text})
    if _AT_REST.search(upper):
        why = "named like a key of data at rest: what it encrypted is lost with it"
        return Suggestion(name, "at rest", why, {"rotation": "never"})
    if _VENDOR.search(upper) or _ISSUED.match(text):
        return Suggestion(name, "third party", "issued by somebody else", {})
    if (kind := _private_key(text)) is not None:
        return Suggestion(name, "generated", "a private key", {"generate": {kind: {}}})
    if _SECRET.search(upper) and "://" not in text and "-----BEGIN" not in text:
        weak = "; easy to guess: rotate it" if estimate(text) < STRONG / 2 else ""
        why = f"named like a secret of your own{weak}"
        fields = {"generate": _generator(text), "stored": True}
        return Suggestion(name, "generated", why, fields)
    return Suggestion(name, "given", "says nothing of itself", {})


def _private_key(text: str) -> str | None:
    """The kind that draws such a key; a certificate beside it is not ours to sign."""
    if text.startswith("AGE-SECRET-KEY-1"):
        return "age"
    match = _PRIVATE_KEY.search(text)
    if match is None or "BEGIN CERTIFICATE" in text:
        return None
    named = {"OPENSSH PRIVATE KEY": "ssh", "RSA PRIVATE KEY": "rsa", "EC PRIVATE KEY": "ecdsa"}
    by_length = "ed25519" if len(text) < 150 else "ecdsa" if len(text) < 500 else "rsa"
    return named.get(match[1]) or by_length


def _is_public(upper: str, text: str) -> bool:
    """Whether name and shape are those of public text."""
    if _NEVER_PUBLIC.search(upper) or recomposed.looks_random(text) or _ISSUED.match(text):
        return False
    is_named = _PUBLIC.search(upper) is not None
    if _SWITCH.fullmatch(text):
        return is_named or not _SECRET.search(upper)
    is_short = len(text) <= _LONGEST_PUBLIC and "\n" not in text
    return is_short and not _WITH_USER.match(text) and (is_named or bool(_ADDRESS.match(text)))


def _generator(text: str) -> dict[str, Any]:
    """A generator of values that look like this one, and are no weaker than 128 bits."""
    if re.fullmatch(r"([0-9a-f]{2}){16,1024}", text):
        return {"bytes": {"size": len(text) // 2, "encoding": "hex"}}
    if 22 <= len(text) <= 1024 and set(text) <= set(ALPHANUMERIC):
        return {"password": {"length": len(text)}}
    for encoding, alphabet in (("base64", r"[A-Za-z0-9+/]+=*"), ("base64url", r"[-_A-Za-z0-9]+")):
        size = _decoded_size(text, encoding) if re.fullmatch(alphabet, text) else 0
        if 16 <= size <= 1024:
            return {"bytes": {"size": size, "encoding": encoding}}
    return {"password": {"length": min(max(len(text), 32), 1024)}}


def _decoded_size(text: str, encoding: str) -> int:
    try:
        if encoding == "base64":
            return len(base64.b64decode(text, validate=True))
        return len(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return 0
