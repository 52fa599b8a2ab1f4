"""The image: built of the Dockerfile, and run without a network, a writable disk or an account."""

from __future__ import annotations

import json
import re
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ci.cluster.build import BIN
from ci.cluster.docker import Docker, engine
from ci.cluster.processes import ClusterError, wait_until
from tests.cluster import stand_ins
from tests.database import first_start
from tests.programs import needed
from tests.repository import ROOT, Repo, Run
from tests.servers import Server, server

TAG, DATABASE = "sopsmith-under-test", "sopsmith-database-under-test"
DOCKERFILE = ROOT / "kustomize-plugin/Dockerfile"
OVERLAY = "overlays/production"
CONFINED = (
    "--rm",
    "--network=none",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
MOST_ADDED = 40 * 2**20  # bytes on top of the base and beside sops and kustomize
ARGO_CD, SERVER = "/home/argocd/cmp-server", "/var/run/argocd/argocd-cmp-server"
PLUGIN = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "ConfigManagementPlugin",
    "metadata": {"name": "sopsmith"},
    "spec": {"generate": {"command": ["sopsmith", "build", "."]}},
}


class Image:
    """The image, and the repository and key that its containers see."""

    def __init__(self, docker: Docker, example: Repo, tag: str = TAG) -> None:
        self.docker = docker
        self.example = example
        self.tag = tag

    def run(self, *words: str, entry: str = "", user: str = "nobody", stdin: bytes = b"",
            options: tuple[str, ...] = (), key: bool = True) -> Run:  # fmt: skip
        """What a confined container does; the repository and the key are there to read."""
        argv = [*self.docker.client, "run", *CONFINED, *options, "--interactive", "--tmpfs=/tmp"]
        argv += [f"--user={user}"] if user else []
        argv += [f"--volume={self.example.path}:/repository:ro", f"--workdir=/repository/{OVERLAY}"]
        argv += [f"--volume={self.example.key_file}:/key:ro"]
        env = {"SOPSMITH_ROOT": "/repository", "SOPSMITH_ALLOW_DEMO_KEY": "1"}
        env |= {"SOPS_AGE_KEY_FILE": "/key"} if key else {}
        argv += [f"--env={name}={text}" for name, text in env.items()]
        argv += [f"--entrypoint={entry}"] if entry else []
        return self.example.run(*argv, self.tag, *words, stdin=stdin)

    def python(self, code: str, program: str = "python") -> str:
        """What a script of the image's Python prints."""
        run = self.run("-c", code, entry=program)
        assert run.code == 0, run.err
        return run.out


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    """An engine, or the reason why there is none."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(engine())
        except ClusterError as error:
            pytest.skip(str(error))
        yield running


@pytest.fixture(scope="module")
def built(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """The engine with the image in it: of the pinned bases, or else of stand-ins."""
    bases = re.findall(r"^ARG (?:GO|PYTHON)=(\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    options = [] if _are_to_be_had(docker, bases) else _stand_ins(docker, tmp_path_factory)
    for target, tag in (("", TAG), ("database", DATABASE)):
        docker(
            "build",
            *options,
            "--file",
            str(DOCKERFILE),
            f"--target={target}",
            "--tag",
            tag,
            str(ROOT),
        )
    yield docker
    docker("image", "rm", "--force", TAG, DATABASE)


def _are_to_be_had(docker: Docker, bases: list[str]) -> bool:
    try:
        for base in bases:
            docker("pull", "--quiet", base)
    except ClusterError:
        return False
    return True


def _stand_ins(docker: Docker, factory: pytest.TempPathFactory) -> list[str]:
    if "deb_system" in sysconfig.get_scheme_names():
        pytest.skip("Debian's Python installs elsewhere than the image's, so it can't stand in")
    folder = factory.mktemp("images")
    stand_ins.python_image(docker, "stand-in-python", folder)
    stand_ins.programs_image(docker, "stand-in-programs", folder)
    given = ("PYTHON=stand-in-python", "PROGRAMS=stand-in-programs")
    return ["--network=none", *(f"--build-arg={each}" for each in given)]


@pytest.fixture
def image(built: Docker, example: Repo) -> Image:
    return Image(built, example)


# --- as it is used --------------------------------------------------------------------------------


def test_the_function_gives_in_a_container_what_it_gives_here(image: Image, example: Repo) -> None:
    here = example.function(OVERLAY)
    there = image.run(stdin=example.call(OVERLAY))
    assert there.secrets == here.secrets and len(there.secrets) == 9
    assert (there.out, there.err) == (here.out, "")


def test_build_gives_in_a_container_what_it_gives_here(image: Image, example: Repo) -> None:
    here = example.cli("build", OVERLAY)
    there = image.run("build", f"/repository/{OVERLAY}", entry="sopsmith")
    assert there.built == here.built and len(there.built) == 9
    assert (there.out, there.err) == (here.out, "")


@pytest.mark.parametrize("words", [("validate", "."), ("list", "."), ("resolve", ".")])
def test_what_only_reads_needs_nothing_that_is_not_in_it(
    image: Image, words: tuple[str, ...]
) -> None:
    run = image.run(*words, entry="sopsmith")
    assert (run.code, run.err) == (0, ""), run.out


def test_without_its_key_it_says_so_and_nothing_else(image: Image, example: Repo) -> None:
    run = image.run(stdin=example.call(OVERLAY), key=False)
    assert run.code == 3 and run.codes == {"no-key"}
    assert run.document["items"] == []


def test_argo_cds_own_program_serves_in_it(image: Image, tmp_path: Path) -> None:
    """As the sidecar: its command comes from a shared volume, and the user is the image's."""
    program = BIN / "argocd"
    if not program.exists():
        pytest.skip("make e2e builds Argo CD")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins").chmod(0o777)  # an emptyDir
    (tmp_path / "plugin.yaml").write_text(json.dumps(PLUGIN))
    volumes = {program: SERVER, tmp_path / "plugin.yaml": f"{ARGO_CD}/config/plugin.yaml",
               tmp_path / "plugins": f"{ARGO_CD}/plugins"}  # fmt: skip
    given = (f"--volume={here}:{there}" for here, there in volumes.items())
    argv = ("run", "--detach", *CONFINED, "--tmpfs=/tmp", *given, f"--entrypoint={SERVER}", TAG)
    container = image.docker(*argv).strip()
    try:
        socket = tmp_path / "plugins/sopsmith.sock"
        wait_until(socket.is_socket, "the plugin's socket")
        assert socket.stat().st_uid == 999
    finally:
        image.docker("rm", "--force", container)


def test_what_the_job_runs_changes_a_role_and_logs_in(
    built: Docker, example: Repo, tmp_path: Path
) -> None:
    """Over the socket of a server of this machine, since the containers have no network."""
    image = Image(built, example, DATABASE)
    with server(needed(18)) as there:
        rotated_before(example, there)
        (tmp_path / "roles").mkdir()
        roles = example.run("sopsmith", "get", "DATABASE_ROLES", "-e", "production").out
        (tmp_path / "roles/roles.json").write_text(roles)
        volumes = (f"--volume={tmp_path}/roles:/run/secrets/database:ro",
                   f"--volume={there.folder}:/server")  # fmt: skip
        source = ("--from", "/run/secrets/database")
        applied = image.run("postgres", "apply", *source, options=volumes, key=False)
        assert applied.code == 0, applied.err
        assert "logs in  reconciliation_b by DATABASE_URL\n" in applied.out
        again = image.run("postgres", "retire", *source, options=volumes, key=False)
        assert again.codes == {"cluster-failed"}, (
            again.err
        )  # it has what it asks a cluster with, and none


def rotated_before(example: Repo, there: Server) -> None:
    """The example with a password that the server does not know yet."""
    host = "POSTGRES_HOST: {default: /server}"
    example.edit(f"{OVERLAY}/recipe.yaml", lambda text: re.sub("POSTGRES_HOST: {.*}", host, text))
    example.edit("secrets/platform.recipe.yaml", lambda text: text.replace("5432", str(there.port)))
    first_start(there, example.kustomize(OVERLAY).built)
    there.reload(hba="local all all scram-sha-256\n")
    assert example.cli("rotate", "POSTGRES_PASSWORD", "-e", "production").code == 0


# --- what is in it --------------------------------------------------------------------------------


def test_its_user_is_the_one_that_argo_cd_demands(image: Image) -> None:
    config = json.loads(image.docker("image", "inspect", "--format={{json .Config}}", TAG))
    assert (config["User"], config["Entrypoint"]) == ("999:999", ["sopsmith-krm"])
    assert "HOME=/tmp" in config["Env"]


def test_the_programs_are_the_pinned_ones(image: Image) -> None:
    pins = (ROOT / "ci/tools/go.mod").read_text()
    for name, module, ask in (
        ("sops", "getsops/sops/v3", ("--version", "--disable-version-check")),
        ("kustomize", "kustomize/kustomize/v5", ("version",)),
    ):
        (pinned,) = re.findall(rf"{module} v([\d.]+)", pins)
        assert pinned in image.run(*ask, entry=name).out


@pytest.mark.parametrize("program", ["python", "/usr/local/bin/python"])
def test_there_is_no_pip_and_no_compiler(image: Image, program: str) -> None:
    """Neither for the package's own Python nor for the base's."""
    code = """
import importlib.util, shutil
modules = "pip", "ensurepip", "hatchling", "ruamel"
print([name for name in modules if importlib.util.find_spec(name)])
print([name for name in ("cc", "gcc", "git", "go") if shutil.which(name)])
"""
    assert image.python(code, program) == "[]\n[]\n"


def test_no_start_compiles_a_module(image: Image) -> None:
    """Where nothing can be written, each would do so again."""
    code = """
import os, sys
import sopsmith.cli, sopsmith.commands.build, sopsmith.krm, sopsmith.pipeline.emit
specs = [getattr(module, '__spec__', None) for module in [*sys.modules.values()]]
files = [each.cached for each in specs if each and each.has_location and each.cached]
print(len(files) > 50, [file for file in files if not os.path.exists(file)])
"""
    assert image.python(code) == "True []\n"


def test_its_size(image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    history = image.docker("history", "--human=false", "--format={{.Size}} {{.CreatedBy}}", TAG)
    layers = [(int(size), what) for size, what in re.findall(r"^(\d+) (.*)$", history, re.M)]
    ours = next(index for index, (_, what) in enumerate(layers) if "LABEL" in what)
    whole = sum(size for size, _ in layers)
    programs = sum(size for size, what in layers if "COPY /programs" in what)
    added = sum(size for size, _ in layers[:ours]) - programs
    with capsys.disabled():
        mib = [f"{size / 2**20:.0f} MiB" for size in (whole, programs, added)]
        print("\nimage: {}, of them {} sops and kustomize, {} Python packages".format(*mib))
    assert programs and 0 < added < MOST_ADDED
