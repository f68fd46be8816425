"""Network file systems are recognised and refused; the mounts are lines as Linux writes them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from farebox.core.errors import LedgerError
from farebox.ledger import locate, network, open_ledger
from farebox.ledger.network import mounted_as, network_file_system

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/team rw,relatime shared:2 - nfs4 10.0.0.1:/team rw,vers=4.2
31 30 0:41 / /mnt/team/local rw,relatime - tmpfs tmpfs rw
32 22 0:42 / /mnt/two\\040words rw - cifs //server/share rw
33 22 0:43 / /srv rw - nfs4 10.0.0.1:/srv rw
34 33 0:44 / /srv rw - xfs /dev/vdb rw
torn
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x.db", "ext4"),
        ("/mnt/team/x.db", "nfs4"),
        ("/mnt/teams/x.db", "ext4"),
        ("/mnt/team/local/x.db", "tmpfs"),
        ("/mnt/two words/a/x.db", "cifs"),
        ("/srv/x.db", "xfs"),
    ],
)
def test_the_nearest_and_last_mount_counts(path, kind):
    assert mounted_as(Path(path), MOUNTS) == kind


def test_where_nothing_is_mounted_nothing_is_known():
    assert mounted_as(Path("/x"), "") is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_machines_own_mounts_are_understood(tmp_path):
    assert mounted_as(tmp_path, Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    assert network_file_system(tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows asks elsewhere")
def test_where_mounts_cannot_be_read_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "_MOUNTS", tmp_path / "none")
    assert network_file_system(tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows asks elsewhere")
def test_a_ledger_on_a_network_file_system_is_refused_with_advice_and_can_still_be_read(tmp_path, monkeypatch):
    open_ledger(tmp_path / "x.db").close()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 254:0 / / rw - ext4 /dev/vda rw\n30 22 0:40 / {tmp_path} rw - nfs4 host:/a rw\n")
    monkeypatch.setattr(network, "_MOUNTS", mounts)
    for name in ("x.db", "new.db"):
        with pytest.raises(LedgerError, match=r"network file system \(nfs4\).*local disk.*ledger merge"):
            open_ledger(tmp_path / name)
        with pytest.raises(LedgerError, match="network file system"):
            locate.ledger_path(tmp_path / name).check()
    assert not (tmp_path / "new.db").exists()
    open_ledger(tmp_path / "x.db", read_only=True).close()
