"""The example platform as a repository with an origin, and what its build gives."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

from ci.cluster.api import Api, Manifest
from ci.cluster.processes import wait_until
from tests.database import first_start
from tests.repository import ROOT, Repo, Run
from tests.servers import Server

NAMESPACE = "reconciliation-production"
OVERLAY = "overlays/production"
SEALED = f"{OVERLAY}/flux/secrets"
KEY = ROOT / "secrets/demo-only.agekey"
SEAL = ("seal", OVERLAY, "-o", SEALED, "--commit")


def checkout(folder: Path, database: Server | None) -> Repo:
    """A clone with the example's files, pushed once.

    Where no node runs its database, it names a server that has made its first start.
    """
    repo = Repo(folder / "repo", KEY, "")
    repo.env |= {"SOPSMITH_ALLOW_DEMO_KEY": "1", "SOPS_AGE_KEY_FILE": str(KEY)}
    for name in ("secrets", "overlays"):
        shutil.copytree(ROOT / name, repo.path / name)
    shutil.copyfile(ROOT / ".sops.yaml", repo.path / ".sops.yaml")
    if database:
        point(repo, database)
        first_start(database, repo.kustomize(OVERLAY).built)
    for words in (("config", "user.name", "n"), ("config", "user.email", "n@example.org"),
                  ("init", "-q", "--bare", "-b", "main", str(origin(repo))),
                  ("remote", "add", "origin", str(origin(repo))), ("switch", "-qc", "main"),
                  ("add", "."), ("commit", "-qm", "Start")):  # fmt: skip
        assert repo.run("git", *words).code == 0
    push(repo)
    return repo


def point(repo: Repo, database: Server) -> None:
    """Say in the recipes where the database is."""
    port = f"port: {database.port}"
    repo.edit("secrets/platform.recipe.yaml", lambda text: text.replace("port: 5432", port))
    host = "postgres.reconciliation-production.svc"
    repo.edit(f"{OVERLAY}/recipe.yaml", lambda text: text.replace(host, "127.0.0.1"))


def origin(repo: Repo) -> Path:
    """The bare repository that it is pushed to."""
    return repo.path.parent / "origin.git"


def push(repo: Repo) -> str:
    """Push what is committed; the commit."""
    assert repo.run("git", "push", "-qu", "origin", "main").code == 0
    return repo.run("git", "rev-parse", "HEAD").out.strip()


def committed(repo: Repo) -> str:
    """Commit all that is there; the commit."""
    nobody = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    for words in (("add", "--all"), (*nobody, "commit", "-qm", "Change")):
        assert repo.run("git", *words).code == 0
    return repo.run("git", "rev-parse", "HEAD").out.strip()


def commit(repo: Repo) -> str:
    """Commit all changes and push them; the commit."""
    committed(repo)
    return push(repo)


def pushed(repo: Repo, folder: Path) -> Path:
    """A fresh checkout of what was pushed last, without .git, as an artifact has it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    archive = ("git", "-C", str(origin(repo)), "archive", "main")
    tar = subprocess.run(archive, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=tar, check=True)
    return folder


def built(repo: Repo) -> Run:
    """What kustomize and the function build of the overlay; each value is a canary from here on."""
    run = repo.kustomize(OVERLAY)
    public = {"POSTGRES_USER", "POSTGRES_DB"}
    repo.canaries += [
        text.decode()
        for data in run.built.values()
        for key, text in data.items()
        if key not in public
    ]
    return run


def backend(api: Api) -> str:
    """The name of the Secret that the Deployment reads."""
    deployment = api.get("Deployment", "backend", NAMESPACE) or {}
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return str(container["envFrom"][0]["secretRef"]["name"])


def database_url(api: Api) -> str:
    """The URL that the pods of the Deployment get."""
    return base64.b64decode(live(api)[backend(api)]["DATABASE_URL"]).decode()


def live(api: Api) -> dict[str, dict[str, str]]:
    """The data of the Secrets in the namespace, as the API has it."""
    secrets = [each for each in api.list("Secret", NAMESPACE) if not is_ours(each)]
    return {each["metadata"]["name"]: each["data"] for each in secrets}


def eventually(api: Api, expected: Run) -> None:
    """Wait until the cluster has what was built, and the Deployment refers to it."""
    names = set(expected.built)
    wait_until(
        lambda: set(live(api)) == names and backend(api) in names,
        "the Secrets",
        lambda: live(api).keys(),
    )


def gone(api: Api) -> None:
    """Wait until the namespace is deleted, with all in it."""
    wait_until(lambda: api.get("Namespace", NAMESPACE, "") is None, "the namespace to be gone")


def is_ours(secret: Manifest) -> bool:
    """Whether a test put it there, and no recipe."""
    return str(secret["metadata"]["name"]).startswith("sops-")
