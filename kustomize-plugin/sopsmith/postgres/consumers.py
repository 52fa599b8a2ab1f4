"""Who in a cluster still refers to a role: Secrets that name it, and what reads these: pods, and
what starts the next ones. Pure, on objects as the API server sends them.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Mapping, Set
from typing import Any, NamedTuple
from urllib.parse import unquote

from sopsmith.postgres import account, endpoint

Object = Mapping[str, Any]
_ENDED = ("Succeeded", "Failed")
_VERIFIER = "SCRAM-SHA-256$"


class Live(NamedTuple):
    """What of a namespace is looked at."""

    secrets: tuple[Object, ...]
    pods: tuple[Object, ...]
    cronjobs: tuple[Object, ...]
    workloads: Mapping[str, tuple[Object, ...]]  # by kind, also of those that have no pod now


def of(live: Live, role: str) -> tuple[str, ...]:
    """Who would log in as the role when it starts next: `pod NAME (Secret)`, `CronJob NAME …`.

    A Secret that nothing reads is no consumer: hashed ones of before stay where nobody prunes.
    """
    return reading(live, {name for name, roles in named(live).items() if role in roles})


def reading(live: Live, naming: Set[str]) -> tuple[str, ...]:
    """The pods that have not ended, and what starts pods, that read one of these Secrets."""
    found: list[str] = []
    for pod in live.pods:
        if (pod.get("status") or {}).get("phase") not in _ENDED:
            found += _reading("pod", pod, pod.get("spec") or {}, naming)
    for job in live.cronjobs:
        spec = job.get("spec") or {}
        template = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
        if not spec.get("suspend"):
            found += _reading("CronJob", job, template.get("spec") or {}, naming)
    for kind, those in live.workloads.items():
        for each in those:
            template = (each.get("spec") or {}).get("template") or {}
            found += _reading(kind, each, template.get("spec") or {}, naming)
    return tuple(found)


def named(live: Live) -> dict[str, set[str]]:
    """The roles that Secrets name, by the Secrets' names: a URL's user, or a value that is one."""
    return {_name(each): set(_roles(each)) for each in live.secrets}


def passwords(live: Live, role: str) -> Iterator[tuple[str, str]]:
    """The Secrets with a URL of the role, and the password that it has there: a rotator's stands in
    what `rolesOf` derived."""
    for secret in live.secrets:
        for text in _texts(secret):
            for found in _logins(text):
                if found.user == role and found.password is not None:
                    yield _name(secret), found.password.text() or ""


def holding(live: Live, password: str) -> set[str]:
    """The Secrets with a password as a text, or within one: as keys of their own, as
    `application.properties` or JSON."""
    return {
        _name(each)
        for each in live.secrets
        for text in _prose(each)
        if password and (password in text or password in unquote(text))
    }


def _prose(secret: Object) -> Iterator[str]:
    """The texts that may hold a login in a form that nobody knows: neither URLs nor what `rolesOf`
    and `bootstrapOf` derived, which name every role and log nobody in as one."""
    for text in _texts(secret):
        if _parsed(text) is None and not _is_document(text) and _VERIFIER not in text:
            yield text


def _is_document(text: str) -> bool:
    try:
        return bool(account.read(text.encode()))
    except ValueError:
        return False


def _logins(text: str) -> Iterator[endpoint.Endpoint]:
    url = _parsed(text)
    if url is not None:
        yield url
    elif text.startswith("{"):
        with contextlib.suppress(ValueError):  # another JSON text logs nobody in
            rotators = (each.rotator for each in account.read(text.encode()))
            yield from (each for each in rotators if each is not None)


def _reading(kind: str, owner: Object, pod: Object, naming: Set[str]) -> Iterator[str]:
    for name in sorted(naming & set(secrets_of(pod))):
        yield f"{kind} {_name(owner)} ({name})"


def secrets_of(pod: Object) -> Iterator[str]:
    """The Secrets that a pod's specification reads."""
    for volume in pod.get("volumes") or ():
        yield (volume.get("secret") or {}).get("secretName", "")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield (source.get("secret") or {}).get("name", "")
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind) or ():
            for source in container.get("envFrom") or ():
                yield (source.get("secretRef") or {}).get("name", "")
            for variable in container.get("env") or ():
                source = variable.get("valueFrom") or {}
                yield (source.get("secretKeyRef") or {}).get("name", "")


def _roles(secret: Object) -> Iterator[str]:
    for text in _texts(secret):
        found = _parsed(text)
        yield text if found is None else found.user


def _texts(secret: Object) -> Iterator[str]:
    for encoded in (secret.get("data") or {}).values():
        try:
            yield base64.b64decode(encoded or "").decode()
        except ValueError:
            continue  # no text names a role


def _parsed(text: str) -> endpoint.Endpoint | None:
    try:
        return endpoint.parse(text)
    except ValueError:
        return None


def _name(each: Object) -> str:
    return str((each.get("metadata") or {}).get("name", ""))
