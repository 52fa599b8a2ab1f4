"""A small client of the Kubernetes API: objects by kind and name, as plain JSON."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import yaml

from ci.cluster.processes import wait_until

Manifest = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class ApiError(Exception):
    """The API server refused: its status and what it said."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class _Answer(NamedTuple):
    status: int
    text: str

    @property
    def is_late(self) -> bool:
        """Whether it had too much to do, or a part of it that it needs was too slow."""
        return self.status == 429 or self.status >= 500


class Resource(NamedTuple):
    """Where the objects of a kind are: prefix/[namespaces/NAMESPACE/]plural/NAME."""

    prefix: str
    plural: str
    is_namespaced: bool


class Api(NamedTuple):
    """One API server, and who we are there."""

    port: int
    token: str
    ca: Path
    kubeconfig: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def get(self, kind: str, name: str, namespace: str = "default") -> Manifest | None:
        """The object, or None where there is none."""
        found: Manifest | None = self._found("GET", self._path(kind, namespace, name))
        return found

    def list(self, kind: str, namespace: str | None = None, **labels: str) -> list[Manifest]:
        """All objects of a kind, in one namespace or in all."""
        selector = urlencode({"labelSelector": ",".join(f"{k}={v}" for k, v in labels.items())})
        items = self.request("GET", f"{self._path(kind, namespace)}?{selector}")["items"]
        return [{"kind": kind, **item} for item in items]

    def apply(self, *manifests: Manifest) -> None:
        """Make the objects so (server-side apply), in the given order."""
        for each in manifests:
            path = self._path_of(each) + "?fieldManager=sopsmith&force=true"
            self.request("PATCH", path, each, content=APPLY)

    def set_status(self, manifest: Manifest) -> None:
        """Set the status of an object that is there: what its controller would do."""
        self.request("PATCH", self._path_of(manifest) + "/status", manifest, content=MERGE)

    def patch(self, kind: str, name: str, change: Manifest, namespace: str = "default") -> None:
        """Merge a change into an object."""
        self.request("PATCH", self._path(kind, namespace, name), change, content=MERGE)

    def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        """Delete an object, or see that there is none."""
        self._found("DELETE", self._path(kind, namespace, name))

    def request(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        """One request; where there was no time for it, it is made again. Raises ApiError."""
        headers = {"Accept": accept, "Content-Type": content}
        answers: list[_Answer] = []

        def ask() -> _Answer | None:
            answers[:] = [self._ask(method, path, body, headers)]
            return None if answers[0].is_late else answers[0]

        answer = wait_until(ask, path, lambda: answers)
        if answer.status >= 300:
            raise ApiError(answer.status, answer.text)
        return json.loads(answer.text) if answer.text[:1] in ("{", "[") else answer.text

    def _ask(
        self, method: str, path: str, body: Manifest | None, headers: dict[str, str]
    ) -> _Answer:
        host = ("127.0.0.1", self.port)
        connection = HTTPSConnection(*host, timeout=120, context=_trusting(self.ca))
        headers = {**headers, "Authorization": f"Bearer {self.token}"}
        with closing(connection):
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            text = response.read().decode()
        return _Answer(response.status, text)

    def _found(self, method: str, path: str) -> Any:
        try:
            return self.request(method, path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _path_of(self, manifest: Manifest) -> str:
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace", "default")
        return self._path(manifest["kind"], namespace, metadata["name"])

    def _path(self, kind: str, namespace: str | None, name: str = "") -> str:
        prefix, plural, is_namespaced = _resource(self, kind)
        inside = f"/namespaces/{namespace}" if namespace and is_namespaced else ""
        return f"{prefix}{inside}/{plural}" + (f"/{quote(name)}" if name else "")

    def kinds(self) -> dict[str, Resource]:
        """Every kind that is served, in its preferred version; the core's come first."""
        found: dict[str, Resource] = {}
        for root in ("/api", "/apis"):
            for group in self.request("GET", root, accept=DISCOVERY)["items"]:
                version = group["versions"][0]
                name = group["metadata"].get("name")
                prefix = "/".join(filter(None, (root, name, version["version"])))
                for each in version["resources"]:
                    is_namespaced = each["scope"] == "Namespaced"
                    resource = Resource(prefix, each["resource"], is_namespaced)
                    found.setdefault(each["responseKind"]["kind"], resource)
        return found


@cache
def _resource(api: Api, kind: str) -> Resource:
    """Where a kind lives. A definition's kind is served shortly after it, hence the wait."""
    return wait_until(lambda: api.kinds().get(kind), f"the kind {kind}", api.kinds, seconds=60)


@cache
def _trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


def condition(manifest: Manifest | None, kind: str) -> Manifest:
    """One condition of an object's status; empty where it has none."""
    conditions = (manifest or {}).get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def define(api: Api, files: Iterable[Path]) -> None:
    """Apply CustomResourceDefinitions, and wait until their kinds are served."""
    for file in sorted(files):
        for definition in yaml.load_all(file.read_text(), yaml.CSafeLoader):
            api.apply(definition)
            api.list(definition["spec"]["names"]["kind"])
