"""Who in a cluster still refers to a role: Secrets that name it, and what reads these: pods, and
what starts the next ones. Pure, on objects as the API server sends them.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator, Mapping, Set
from typing import Any, NamedTuple
from urllib.parse import unquote

from sopsmith.postgres import account, endpoint
from sopsmith.postgres.account import Account

Object = Mapping[str, Any]
_ENDED = ("Succeeded", "Failed")
_OVER = ("Complete", "Failed")  # conditions of a Job
_NO_DATABASE = r"(?<!\w/)(?<!dbname=)(?i:(?<!database=))"  # which is often named like its role
_VERIFIER = "SCRAM-SHA-256$"


class Place(NamedTuple):
    """Where in Kubernetes somebody looks."""

    namespace: str
    context: str | None  # of the kubeconfig; None in a pod, which looks into its own cluster

    @property
    def words(self) -> str:
        """The same for people."""
        of_context = f" of the context {self.context}" if self.context else ""
        return f"the namespace {self.namespace}{of_context}"

    @property
    def told(self) -> str:
        """A line that says so."""
        return f"sopsmith: looking into {self.words}\n"


class Live(NamedTuple):
    """What of a namespace is looked at."""

    secrets: tuple[Object, ...]
    pods: tuple[Object, ...]
    cronjobs: tuple[Object, ...]
    workloads: Mapping[str, tuple[Object, ...]]  # by kind, Jobs too, and what has no pod now
    place: Place = Place("default", None)


def former(live: Live, account: Account) -> tuple[str, ...]:
    """Who would log in as the role that git has left when it starts next; nobody where none is."""
    before = account.before.text if account.before else None
    return of(live, account.other, before) if account.other is not None else ()


def of(live: Live, role: str, password: str | None) -> tuple[str, ...]:
    """Who would log in as the role when it starts next: `pod NAME (Secret)`, `CronJob NAME …`; as
    what it reads names the role, or has its password, as far as that is known.

    A Secret that nothing reads is no consumer: hashed ones of before stay where nobody prunes.
    """
    return reading(live, naming(live, role) | holding(live, password or ""))


def hidden(live: Live, role: str, password: str) -> tuple[str, ...]:
    """Those of them whose Secret shows no URL, nor this password: nobody knows which they hold."""
    shown = {name for name, _ in passwords(live, role)} | holding(live, password)
    return reading(live, naming(live, role) - shown)


def reading(live: Live, naming: Set[str]) -> tuple[str, ...]:
    """The pods that have not ended, and what starts pods, that read one of these Secrets; what is
    suspended or scaled to nothing may start them tomorrow."""
    found: list[str] = []
    for pod in live.pods:
        if (pod.get("status") or {}).get("phase") not in _ENDED:
            found += _reading("pod", pod, pod.get("spec") or {}, naming)
    for job in live.cronjobs:
        found += _starting("CronJob", job, (job.get("spec") or {}).get("jobTemplate") or {}, naming)
    for kind, those in live.workloads.items():
        for each in those:
            if not _is_over(each):
                found += _starting(kind, each, each, naming)
    return tuple(found)


def _starting(kind: str, owner: Object, job: Object, naming: Set[str]) -> Iterator[str]:
    template = (job.get("spec") or {}).get("template") or {}
    return _reading(kind, owner, template.get("spec") or {}, naming)


def _is_over(workload: Object) -> bool:
    """Whether it is a Job that starts no pod any more; between two tries it has none, and will."""
    conditions = (workload.get("status") or {}).get("conditions") or ()
    return any(each.get("type") in _OVER and each.get("status") == "True" for each in conditions)


def naming(live: Live, role: str) -> set[str]:
    """The Secrets that name a role: a URL's user, or a word of another text."""
    return {_name(each) for each in live.secrets if _is_named(each, role)}


def _is_named(secret: Object, role: str) -> bool:
    if any((url := _parsed(text)) and url.user == role for text in _texts(secret)):
        return True
    word = re.compile(_NO_DATABASE + rf"(?<![\w.-]){re.escape(role)}(?![\w.-])")
    return any(word.search(each) for text in _prose(secret) for each in (text, unquote(text)))


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


def _texts(secret: Object) -> Iterator[str]:
    for encoded in (secret.get("data") or {}).values():
        try:
            yield base64.b64decode(encoded or "").decode()
        except ValueError:
            continue  # no text logs anybody in


def _parsed(text: str) -> endpoint.Endpoint | None:
    """A database's URL, also as JDBC has it."""
    try:
        return endpoint.parse(text.strip().removeprefix("jdbc:"))  # a line's end stops few readers
    except ValueError:
        return None


def _name(each: Object) -> str:
    return str((each.get("metadata") or {}).get("name", ""))
