"""The situations and what runs them: tests are not a package, so the files beside this one are found by their folder."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
pytest.register_assert_rewrite("bills", "trial")


@pytest.fixture(autouse=True)
def own_runtime():
    from farebox import runtime

    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture(autouse=True, scope="module")
def _thaw():
    """Runs freeze what was there before them, so that their collections look at their own objects alone."""
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="module")
def _no_authorities(tmp_path_factory):
    """Every client reads the system's certificates, for 20 ms; nothing here speaks TLS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("authorities")))
        yield
