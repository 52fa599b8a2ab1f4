"""Build an overlay with the `kustomize` program and the installed function.

kustomize quotes whole Secrets in some of its errors, so of its words only those are passed on that
can't hold a value; the function's own hold none.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping

from sopsmith.catalogue import CATALOGUE
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.tools import process

FUNCTION = "sopsmith-krm"
_FLAGS = ("--enable-alpha-plugins", "--enable-exec")
_FINDING = re.compile(r"sopsmith: (error|warning): (.*) \[([a-z-]+)\]")
_HINT = "sopsmith: hint: "
# What the function and what it starts may need, and git for a remote base. Whatever else the caller
# has, the variables that Argo CD makes of an Application among them, could change what is trusted.
_PASSED = (
    "PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "GNUPGHOME", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "SSH_AUTH_SOCK", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy",
    "no_proxy", "GIT_SSL_CAINFO", "GIT_ASKPASS", "GIT_SSH_COMMAND", "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip
_PREFIXES = ("SOPS_", "SOPSMITH_", "AWS_", "GOOGLE_", "AZURE_", "VAULT_", "HUAWEICLOUD_")
_WORD = r"[A-Za-z0-9_.:/~@\[\]|,-]{1,200}"
_SAFE = tuple(
    re.compile(pattern.replace("WORD", _WORD))
    for pattern in (
        r"no matches for Id WORD; failed to find unique target for patch WORD",
        r"no resource matches strategic merge patch \"WORD\"",
        r"no resource matches strategic merge patch WORD",
        r"may not add resource with an already registered id",
        r"'?WORD'? (?:doesn't exist|must resolve to a file|does not exist)",
        r"unable to find one of '[a-zA-Z.', ]+' or '[a-zA-Z.]+' in directory",
        r"json: unknown field \"[A-Za-z0-9]{1,60}\"",
        r"security; file '?WORD'? is not in or below '?WORD'?",
        r"evalsymlink failure on '?WORD'?",
        r"no such file or directory",
        r"failed to run '[^'\"]{1,80} git fetch[^'\"]{0,200}'",
    )
)


def function_folder() -> str:
    """The folder of the installed function, beside the Python that runs this.

    Raises SopsmithError (program-missing).
    """
    folder = os.path.dirname(sys.executable)
    if process.which(FUNCTION, folder) is None:
        hint = "install the package whole; pip puts it beside sopsmith"
        message = f"{FUNCTION} is not beside the Python that runs sopsmith"
        raise SopsmithError(Finding("program-missing", message, hint=hint))
    return folder


def build(folder: str, root: str, env: Mapping[str, str], timeout: float) -> bytes:
    """Run `kustomize build` on an absolute folder; the function reads files below the root.

    Raises SopsmithError: program-missing, program-timeout, build-failed, and what the function
    found.
    """
    program = process.which("kustomize", env.get("PATH", ""))
    if program is None:
        hint = "install it, or run make setup in a checkout; sopsmith doctor shows what is found"
        raise SopsmithError(Finding("program-missing", "kustomize is not on PATH", hint=hint))
    child = {
        name: text for name, text in env.items() if name in _PASSED or name.startswith(_PREFIXES)
    }
    child["PATH"] = os.pathsep.join((function_folder(), env.get("PATH", "")))
    child["SOPSMITH_ROOT"] = root
    child["LC_ALL"] = "C.UTF-8"
    result = process.run(process.Call((program, "build", *_FLAGS, folder), b"", child), timeout)
    if isinstance(result, process.Failed):
        code = "program-timeout" if result.reason == "timeout" else "program-failed"
        raise SopsmithError(Finding(code, f"kustomize did not end by itself: {result.reason}"))
    if result.status:
        raise SopsmithError(tuple(_findings(result)))
    if not result.stdout.strip():
        raise SopsmithError(Finding("build-failed", "kustomize built nothing"))
    return result.stdout


def _findings(result: process.Done) -> Iterator[Finding]:
    """What the function said, or else what of kustomize's words can be shown."""
    lines = result.stderr.decode("utf-8", "replace").splitlines()
    said = list(_said(lines))
    yield from said
    if not said:
        known = next((m[0] for line in lines for each in _SAFE if (m := each.search(line))), None)
        if known is None:
            hint = "run kustomize build by hand where its output may be seen: it can quote Secrets"
            yield Finding(
                "build-failed", "kustomize failed, and its words are not shown", hint=hint
            )
        else:
            yield Finding("build-failed", f"kustomize: {known}")


def _said(lines: Iterable[str]) -> Iterator[Finding]:
    """The findings that the function printed; each is whole, so it is shown as it stands."""
    found: list[Finding] = []
    is_error = False
    for line in lines:
        if match := _FINDING.fullmatch(line):
            is_error = match[1] == "error" and match[3] in CATALOGUE
            if is_error:
                found.append(Finding(match[3], match[2], hint=CATALOGUE[match[3]].fix))
        elif is_error and line.startswith(_HINT):
            found[-1] = found[-1]._replace(hint=line.removeprefix(_HINT))
    yield from found
