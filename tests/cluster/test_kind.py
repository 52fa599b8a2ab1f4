"""Where kind can't run, the reason is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.cluster.kind import kind_cluster
from ci.cluster.processes import ClusterError


def test_no_engine_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(ClusterError, match="kind needs a container engine, and none answers: "):
        kind_cluster(tmp_path).__enter__()
