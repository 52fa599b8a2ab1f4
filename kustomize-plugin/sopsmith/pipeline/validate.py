"""Step 4: values and rules → findings. Pure; every check runs, none stops the next."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address
from urllib.parse import SplitResult, unquote, urlsplit

from sopsmith.findings import Finding
from sopsmith.model import Parts, Recipe, Sensitive, Text, Url, Value, Values
from sopsmith.recipes import entropy, limits
from sopsmith.recipes.template import (
    IDENTITIES,
    fill_url,
    filled_in,
    lookup_in,
    reached,
    references,
)

_PLACEHOLDER = re.compile(
    r"""((change[-_ ]?(me|it|this) | replace[-_ ]?(me|this) | fix[-_ ]?me | to[-_ ]?do | tbd
        | placeholder | dummy)!*[-_\ ]*)+
      | x{3,} | \*{3,} | \.{3,} | … | <[^<>]*>
      | \[[a-z][a-z\ _-]*\]
      | \$\{[^{}]*\} | \{\{[^{}]*\}\} | (your|my)[-_\ ].*here([-_\ ].{0,40})?""",
    re.IGNORECASE | re.VERBOSE,
)
_ONE_CHARACTER = re.compile(r"(.)\1{7,}", re.IGNORECASE)
_MOST_STEPS = 5_000_000  # of matching a pattern: about a second
_HOST = re.compile(r"([A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*|/[A-Za-z0-9._/-]*)\Z")
_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+\Z"
)


def validate(recipe: Recipe, values: Values, places: Mapping[str, str]) -> tuple[Finding, ...]:
    """All findings about the values and the Secrets made of them.

    `places` says which file a given value stands in.
    """
    findings = [*presence(recipe, values, places)]
    for name, sensitive in sorted(values.items()):
        value = recipe.values[name]
        file = places.get(name, value.file)
        findings += _bytes_rules(value, sensitive, file)
        text = sensitive.text()
        if text is not None:
            findings += _text_rules(value, text, file)
            if isinstance(sensitive.reveal(), str):
                findings += _given_text(recipe, value, text, file)
            findings += _same(value, text, values, file)
            findings += _composed(recipe, value, text, values)
    findings += _secrets(recipe, values)
    return tuple(findings)


def presence(recipe: Recipe, values: Values, places: Mapping[str, str]) -> Iterator[Finding]:
    """What is missing, or there for nothing: only the names of `values` count."""
    yield from _missing(recipe, values, places)
    yield from _groups(recipe, values)
    yield from _unused(recipe)


def weak_generators(recipe: Recipe) -> Iterator[Finding]:
    """Generators that yield too little, whatever comes of them."""
    for value in recipe.values.values():
        if value.origin == "generated":
            yield from _weak(value, "", value.file)


def _missing(recipe: Recipe, values: Values, places: Mapping[str, str]) -> Iterator[Finding]:
    """What is nowhere; what stands somewhere and is unusable has a finding of its own already."""
    for name, value in recipe.values.items():
        if name in values or name in places or value.optional or value.origin == "derived":
            continue
        if value.origin == "stored":
            message = "was never drawn: no component holds it"
            yield Finding("stored-missing", message, value.file, name, _giving(recipe, value))
        else:
            hint = f"{_giving(recipe, value)}, or mark it optional: true"
            yield Finding("missing", "is in no component", value.file, name, hint)


def _giving(recipe: Recipe, value: Value) -> str:
    """How a value that is absent comes to be."""
    if value.origin == "derived":
        needs = [name for name in references(value) if name not in IDENTITIES]
        return f"give what it is derived from: {', '.join(needs)}"
    verb = "fill" if value.origin == "stored" else "set"
    return f"sopsmith {verb} {value.name} -e {recipe.environment}"


def _groups(recipe: Recipe, values: Values) -> Iterator[Finding]:
    for group in dict.fromkeys(value.group for value in recipe.values.values() if value.group):
        members = [value for value in recipe.values.values() if value.group == group]
        absent = [value for value in members if value.name not in values]
        if absent and len(absent) < len(members):
            message = f"is absent while others of the group {group} are given"
            given = ", ".join(value.name for value in members if value.name in values)
            for value in absent:
                hint = f"{_giving(recipe, value)}, or remove {given}"
                yield Finding("group-incomplete", message, value.file, value.name, hint)


def _unused(recipe: Recipe) -> Iterator[Finding]:
    used = {name for secret in recipe.secrets for name in secret.data.values()}
    for value in recipe.values.values():
        used.update(references(value))
        used.update(value.rules.differs_from)
        used.update(filter(None, (value.role and value.role.rotator,)))
    for name, value in recipe.values.items():
        if name not in used:
            yield Finding("unused-value", "is declared and used by nothing", value.file, name)


def _bytes_rules(value: Value, sensitive: Sensitive, file: str) -> Iterator[Finding]:
    """What holds for text and bytes alike; lengths count characters of text, bytes of the rest."""
    text = sensitive.text()
    length = len(sensitive.data() if text is None else text)
    if length < value.rules.min_length:
        message = f"has {length} characters, fewer than {value.rules.min_length}"
        message = "is empty" if length == 0 else message
        yield Finding("min-length", message, file, value.name)
    if value.rules.max_length is not None and length > value.rules.max_length:
        message = f"has {length} characters, more than {value.rules.max_length}"
        yield Finding("max-length", message, file, value.name)
    if b"ENC[AES256_GCM," in sensitive.data():
        message = "holds ciphertext"
        yield Finding("leftover-ciphertext", message, file, value.name)
    if text is None and (value.rules.pattern or value.rules.format or value.rules.differs_from):
        message = "is not UTF-8, so its rules can't be checked"
        yield Finding("not-text", message, file, value.name)


def _text_rules(value: Value, text: str, file: str) -> Iterator[Finding]:
    rules = value.rules
    yield from _weak(value, text, file)
    if _is_left(value, text) and not rules.placeholder:
        message = "reads like a placeholder"
        hint = "put the real value in; where it is meant, rules: {placeholder: true}"
        yield Finding("placeholder", message, file, value.name, hint)
    if rules.pattern is not None:
        from sopsmith.recipes.pattern import (
            compile_pattern,  # only recipes with patterns pay for it
        )

        pattern = compile_pattern(rules.pattern)
        if len(text) * len(pattern.states) > _MOST_STEPS:
            message = "is too long to be matched with its pattern"
            yield Finding("pattern", message, file, value.name)
        elif not pattern.matches(text):
            message = "does not match its pattern as a whole"
            yield Finding("pattern", message, file, value.name)
    if rules.format == "url" and not _is_url(text):
        hint = "derive it with derive: {url: …}, which encodes every part"
        yield Finding("url-format", "is no valid URL", file, value.name, hint)


def _is_left(value: Value, text: str) -> bool:
    """Whether somebody was to replace it. What a recipe writes out is public, and may be one
    character over and over."""
    if value.origin == "generated":
        return False
    is_written_out = value.origin == "derived" or text == value.default
    if not is_written_out and _ONE_CHARACTER.fullmatch(text.strip()):
        return True
    return bool(_PLACEHOLDER.fullmatch(text.strip()))


def _weak(value: Value, text: str, file: str) -> Iterator[Finding]:
    wanted = _wanted_bits(value)
    if wanted and (bits := _bits(value, text)) < wanted:
        message = f"yields {bits:.0f} bits of entropy, under {wanted}"
        hint = "make it longer, or say what is enough: rules: {minEntropy: …}"
        yield Finding("weak", message, file, value.name, hint)


def _bits(value: Value, text: str) -> float:
    made = value.generator is not None and value.origin == "generated"
    return (
        entropy.of_generator(value.generator)
        if made and value.generator
        else entropy.estimate(text)
    )


def _wanted_bits(value: Value) -> int:
    if value.rules.min_entropy is not None:
        return value.rules.min_entropy
    return entropy.STRONG if value.origin == "generated" else 0


def _given_text(recipe: Recipe, value: Value, text: str, file: str) -> Iterator[Finding]:
    """Traces of how a value was copied; whole files and what we make ourselves have none."""
    if value.origin != "given" or not text:
        return
    body = text.removesuffix("\n") if text.count("\n") > 1 else text  # a block ends with its line
    if "\r" in text or body.strip() != body:
        message = "has white space at an end, or CRLF line ends"
        yield Finding("leftover-space", message, file, value.name)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        message = "is wrapped in quotes, which are part of the value"
        hint = f"give it without them: sopsmith set {value.name} -e {recipe.environment}"
        yield Finding("leftover-quotes", message, file, value.name, hint)
    if text.startswith("\ufeff") or _is_encoded(text.strip()):
        message = "starts with a byte order mark or is base64 of text"
        yield Finding("leftover-encoding", message, file, value.name)


def _is_encoded(text: str) -> bool:
    """Padded base64 whose content is printable text: random bytes next to never are."""
    if len(text) < 12 or not text.endswith("="):
        return False
    try:
        return binascii.a2b_base64(text, strict_mode=True).decode("ascii").strip().isprintable()
    except (binascii.Error, ValueError):
        return False


def _same(value: Value, text: str, values: Values, file: str) -> Iterator[Finding]:
    for other in value.rules.differs_from:
        if other in values and values[other].text() == text:
            yield Finding("same-value", f"is the same as {other}", file, value.name)


# --- URLs -------------------------------------------------------------------------------------


def _is_url(text: str) -> bool:
    if not _URL.match(text):
        return False
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError:
        return False
    whole = "@" not in split.netloc or "@" not in split.path + split.query + split.fragment
    return bool(split.hostname) and port != 0 and split.netloc.count("@") <= 1 and whole


def _composed(recipe: Recipe, value: Value, text: str, values: Values) -> Iterator[Finding]:
    """A derived URL, read by a parser that did not write it, has to give its parts back."""
    if not isinstance(value.derivation, Url):
        return
    parts = fill_url(value.derivation, {*IDENTITIES, *values}, lookup_in(recipe, values))
    wrong = None if parts is None else _wrong_part(parts, text)
    if wrong:
        message = f"does not read back: {wrong}"
        hint = f"correct {wrong}, or the value it refers to"
        if wrong == "host" and parts and ":" in parts.host:
            hint = "a host with a colon is an IPv6 address; the port stands in port"
        yield Finding("not-parsed-back", message, value.file, value.name, hint)


def _wrong_part(parts: Parts, text: str) -> str | None:
    """The name of the first part that a reader of the URL gets otherwise."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*\Z", parts.scheme):
        return "scheme"
    if not _is_host(parts.host):
        return "host"
    try:
        split = urlsplit(text)
    except ValueError:  # what stands in [brackets] is no address
        return "host"
    try:
        port = split.port
    except ValueError:
        return "port"
    if unquote(split.hostname or "").lower() != parts.host.lower():
        return "host"
    if parts.port is not None and (str(port) != parts.port or port == 0):
        return "port"
    read = {
        "scheme": split.scheme == parts.scheme.lower(),
        "user": unquote(split.username or "") == (parts.user or ""),
        "password": _unquoted(split.password) == parts.password,
        "path": split.path == "" if parts.path is None else _segments(split) == parts.path,
        "query": _query(split) == parts.query,
    }
    return next((name for name, same in read.items() if not same), None)


def _is_host(host: str) -> bool:
    """A name, an IPv4 or IPv6 address, several with commas, or the path of a socket (libpq)."""
    if ":" in host:
        try:
            return bool(IPv6Address(host))
        except ValueError:
            return False
    return bool(_HOST.match(host))


def _unquoted(part: str | None) -> str | None:
    return None if part is None else unquote(part)


def _segments(split: SplitResult) -> tuple[str, ...]:
    return tuple(map(unquote, split.path.split("/")[1:]))


def _query(split: SplitResult) -> tuple[tuple[str, str], ...]:
    pairs = (entry.partition("=") for entry in split.query.split("&") if entry)
    return tuple((unquote(name), unquote(text)) for name, _, text in pairs)


# --- Secrets ----------------------------------------------------------------------------------


def _secrets(recipe: Recipe, values: Values) -> Iterator[Finding]:
    hashed = any(secret.hash for secret in recipe.secrets)
    strong = _strong(recipe, values) if hashed else set()
    for secret in recipe.secrets:
        present = {key: name for key, name in secret.data.items() if name in values}
        field = f"spec.secrets.{secret.handle}"
        if not present and all(recipe.values[name].optional for name in secret.data.values()):
            message = "would be empty: all its values are optional and absent"
            yield Finding("secret-empty", message, recipe.file, field)
        yield from limits.of_secret(
            secret, recipe.file, {key: values[name].data() for key, name in present.items()}
        )
        if secret.hash and present and not strong.intersection(present.values()):
            message = "is hashed into its name and holds nothing of 128 bits"
            hint = "set hash: false, or add a strong value"
            yield Finding("hash-guessable", message, recipe.file, field, hint)


def _strong(recipe: Recipe, values: Values) -> set[str]:
    """The values of 128 bits, and what they are part of: a URL is as strong as its password.

    What stands for another value is judged by itself: a role's name is no secret, whoever's slot
    picks it.
    """
    strong = {
        name
        for name, sensitive in values.items()
        if not isinstance(recipe.values[name].derivation, Text | Url)
        and (
            recipe.values[name].origin == "stored"
            or (text := sensitive.text()) is None
            or _bits(recipe.values[name], text) >= entropy.STRONG
        )
    }
    return reached(recipe.values, strong, filled_in)
