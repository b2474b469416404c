"""A Slurm of one node on loopback, in a temporary folder: munged, slurmctld, slurmd.

Needs Debian's slurm-wlm and munge, and root. Nothing of the system's own Slurm is touched: own
configuration, own key, own ports; all three daemons end with the `with` block.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

DAEMONS = ("munged", "slurmctld", "slurmd")
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=100000
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=3
MinJobAge=3600
SlurmctldTimeout=300
SlurmdTimeout=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={slots} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """A context manager; inside, `environment` leads Slurm's commands to it.

    Args:
        folder: empty; holds key, state and logs.
        slots: jobs that run at a time, however many cores there are.
    """

    def __init__(self, folder: Path, slots: int = 2) -> None:
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._slots = slots

    def __enter__(self) -> Cluster:
        missing = [name for name in DAEMONS if daemon(name) is None]
        if missing or os.geteuid():
            raise SystemExit(f"needs root and {', '.join(missing or DAEMONS)} (slurm-wlm, munge)")
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        ports = free_ports(2)
        (self.folder / "slurm.conf").write_text(
            CONFIG.format(
                host=host,
                folder=self.folder,
                controller_port=ports[0],
                node_port=ports[1],
                slots=self._slots,
            )
        )
        try:
            self._start("munged", "--foreground", "--force", f"--key-file={key}", *self._munge())
            wait_for(lambda: (self.folder / "munge.socket").exists(), "munged")
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D", "-N", host)
            wait_for(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T"), "an idle node")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run("scancel", "--full", "--user=root")
        wait_for(lambda: not self.run("squeue", "-h"), "the queue to empty", 20, fatal=False)
        self._stop()

    def run(self, *command: str) -> str:
        """What a command of Slurm's says on stdout."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.stdout.strip()

    def _munge(self) -> list[str]:
        places = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        return [f"--{option}={self.folder}/munge.{name}" for option, name in places.items()]

    def _start(self, name: str, *arguments: str) -> None:
        path = daemon(name)
        assert path is not None
        with open(self.folder / f"{name}.out", "wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [path, *arguments],
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def daemon(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def wait_for(condition: object, what: str, seconds: float = 30, fatal: bool = True) -> None:
    """Poll `condition()` until it is true.

    Raises:
        TimeoutError: it is not within `seconds`, unless not `fatal`.
    """
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            if fatal:
                raise TimeoutError(f"waited {seconds:g} s for {what}")
            return
        time.sleep(0.2)


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens at now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
