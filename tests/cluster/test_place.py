"""A look into the wrong place, and a real API server: its silence closes and replaces nothing."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex

import yaml

from ci.cluster.api import Api
from ci.cluster.processes import wait_until
from tests.cluster import test_rotation
from tests.cluster.test_rotation import Make, pod, secret, sync
from tests.database import Shop, mounted
from tests.repository import ROOT, Run

make = test_rotation.make  # a fixture


def told(one: Shop, api: Api, verb: str, namespace: str, *argv: str) -> Run:
    """What a verb says of this namespace."""
    words = (verb, "--namespace", namespace, *argv)
    return one.postgres(*words, KUBECONFIG=str(api.kubeconfig))


def half_way(one: Shop, api: Api, namespace: str) -> str:
    """Git and the database have rotated, and a pod holds the URL of before; that URL."""
    before = one.value("DATABASE_URL")
    api.apply(secret("former", {"URL": before.encode()}, namespace))
    api.apply(pod("worker", "former", namespace))
    one.rotate()
    assert one.postgres("apply").code == 0
    sync(one, api, namespace)
    return before


def test_a_mistyped_namespace_closes_no_role_that_a_pod_uses(
    make: Make, api: Api, namespace: str
) -> None:
    one = make()
    before = half_way(one, api, namespace)
    for verb in ("retire", "recover", "status"):
        run = told(one, api, verb, "nosuch")
        assert run.code == 3 and "the namespace nosuch: does not exist" in run.err
        assert one.logs_in(before) and one.logs_in()
    right = told(one, api, "retire", namespace)
    assert right.code == 5 and "pod worker (former)" in right.err and one.logs_in(before)


def test_a_namespace_of_another_environment_closes_nothing_either(
    make: Make, api: Api, namespace: str
) -> None:
    """Its Secrets name the same roles; only the passwords are others."""
    one = make()
    before = half_way(one, api, namespace)
    url = one.value("DATABASE_URL").replace(one.value("POSTGRES_PASSWORD"), one.repo.canary())
    api.apply(secret("shop", {"DATABASE_URL": url.encode()}, "default"))
    api.apply(pod("web", "shop", "default"))
    try:
        runs = [told(one, api, verb, "default") for verb in ("retire", "recover")]
    finally:
        api.delete("Pod", "web", "default")
        api.delete("Secret", "shop", "default")
    assert [run.codes for run in runs] == [{"db-unseen"}, {"db-waiting"}]
    assert one.logs_in(before) and one.logs_in()


def test_status_says_where_it_looked_and_claims_no_more_than_it_saw(
    make: Make, api: Api, namespace: str
) -> None:
    one = make()
    wrong, right = told(one, api, "status", "default"), told(one, api, "status", namespace)
    assert wrong.code == right.code == 0
    assert f"looking into the namespace {namespace} of the context" in right.err
    assert "git, the database and the cluster agree" in right.out
    assert "the cluster agree" not in wrong.out
    assert "was seen in the namespace default" in wrong.out
    (here, *_) = told(one, api, "status", "default", "--output", "json").document
    assert here["cluster"]["namespace"] == "default"


def test_a_rotation_does_not_begin_where_nothing_would_follow(
    make: Make, api: Api, namespace: str
) -> None:
    one = make()
    words = ("rotate", "POSTGRES_PASSWORD", "--now", "--namespace", "default", "--wait", "0s")
    run = one.postgres(*words, KUBECONFIG=str(api.kubeconfig))
    assert run.code == 5 and run.codes == {"db-unseen"} and "namespace default" in run.err
    assert "version" not in one.leaf()["POSTGRES_PASSWORD"]


def test_before_anything_is_deployed_a_closed_role_is_no_matter(
    make: Make, api: Api, namespace: str
) -> None:
    one = make()
    api.delete("Pod", "web", namespace)
    for name in one.repo.cli("render", "overlay").secrets:
        api.delete("Secret", name, namespace)
    run = told(one, api, "retire", namespace)
    assert run.code == 0 and "is closed" in run.out
    assert told(one, api, "recover", namespace).code == 0


def retiring(api: Api, namespace: str, folder: Path) -> Path:
    """A kubeconfig of who may do what the example's CronJob may, in this namespace alone."""
    base = yaml.safe_load_all((ROOT / "overlays/base/retire.yaml").read_text())
    account, role, binding = list(base)[1:]
    for each in (account, role, binding):
        each["metadata"]["namespace"] = namespace
    binding["subjects"][0]["namespace"] = namespace
    api.apply(account, role, binding)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/database-retire/token"
    answer = api.request("POST", path, {"kind": "TokenRequest", "spec": {}})
    user = f"system:serviceaccount:{namespace}:database-retire"
    wait_until(lambda: may_list(api, user, namespace), "its rights to be in force")
    config = yaml.safe_load(api.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    file = folder / "retiring"
    file.write_text(yaml.safe_dump(config))
    return file


def may_list(api: Api, user: str, namespace: str) -> bool:
    """Whether the API server would show these Secrets to a user; it learns of rights a bit late."""
    attributes = {"namespace": namespace, "verb": "list", "resource": "secrets"}
    review = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
              "spec": {"user": user, "resourceAttributes": attributes}}  # fmt: skip
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(api.request("POST", path, review)["status"]["allowed"])


def test_the_rights_of_the_example_s_cronjob_suffice(
    make: Make, api: Api, namespace: str, tmp_path: Path
) -> None:
    """They say nothing of namespaces, also where nothing is seen in its own."""
    one = make()
    before = half_way(one, api, namespace)
    api.delete("Pod", "worker", namespace)
    config = str(retiring(api, namespace, tmp_path))
    words = ("retire", "--from", str(mounted(one)), "--namespace", namespace)
    for each in api.list("Secret", namespace):
        api.delete("Secret", each["metadata"]["name"], namespace)
    api.delete("Pod", "web", namespace)
    assert one.postgres(*words, KUBECONFIG=config).codes == {"db-unseen"}
    assert one.logs_in(before) and one.logs_in()
    sync(one, api, namespace)
    assert one.postgres(*words, KUBECONFIG=config).code == 0 and one.logs_in(before) is None


def test_what_nobody_pruned_is_counted_and_not_listed(make: Make, api: Api, namespace: str) -> None:
    one = make()
    url = one.value("DATABASE_URL").encode()
    for number in range(5):
        api.apply(secret(f"roles-{number}", {"URL": url}, namespace))
    run = told(one, api, "status", namespace)
    assert "shop version 1 and 5 more  pod web (shop)" in run.out and "roles-" not in run.out
    (found, *_) = told(one, api, "status", namespace, "--output", "json").document[::-1]
    assert len(found["secrets"]) == 6


def adopted(one: Shop, api: Api, namespace: str) -> str:
    """Only the application knows the password of its role, and has it in a key of its own."""
    held = one.repo.canary(token_hex(16))
    one.server.change(one.roles[0], held)
    one.server.owner_run(f"COMMENT ON ROLE {one.name}_owner IS NULL")  # nothing was ever applied
    for name in one.repo.cli("render", "overlay").secrets:
        api.delete("Secret", name, namespace)
    data = {"USER": one.roles[0].encode(), "PASSWORD": held.encode()}
    api.apply(secret("shop", data, namespace))
    return one.server.url(one.roles[0], held, one.name)


def test_an_application_that_was_adopted_is_seen_by_the_name_of_its_role(
    make: Make, api: Api, namespace: str
) -> None:
    """Nobody here knows its password, so that none can show it."""
    one = make()
    url = adopted(one, api, namespace)
    words = ("POSTGRES_PASSWORD", "--now", "--wait", "0s")
    assert told(one, api, "rotate", "default", *words).codes == {"db-unseen"}
    waiting = told(one, api, "rotate", namespace, *words)
    assert waiting.code == 6 and one.logs_in(url) and one.logs_in(), waiting.err
    sync(one, api, namespace)
    assert told(one, api, "rotate", namespace, *words).code == 0 and one.logs_in(url) is None


def test_a_rotator_that_the_cluster_never_had_holds_nobody_up(
    make: Make, api: Api, namespace: str
) -> None:
    one = make()
    api.delete("Secret", "roles", namespace)
    one.rotate("ROTATOR_PASSWORD")
    run = told(one, api, "recover", namespace)
    assert run.code == 0 and f"{one.name}_rotator gets the password" in run.out, run.err
