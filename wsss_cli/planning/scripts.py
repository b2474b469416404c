"""The text of the scripts that `wsss slurm` writes."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from ..errors import UsageError
from .chain import EVAL, Stage
from .run import MERGE, SCORES, Plan
from .submit import submit

WARNING = 120  # seconds before its time limit at which a job puts itself back
RESTARTS = 10
SETUP = "# --setup, before `set -u`: conda's scripts and modules read variables that are not set"
SUBMIT = "submit.sh"  # the script that hands all others to Slurm


COMMON = """\
# Sourced by every job; yours to edit.
cd {run} || exit
{setup}set -euo pipefail
WSSS=({python} -m wsss_cli)
TRAIN=({train} -m wsss_cli)
RESTARTS={restarts}  # times that a job which was killed, or ran out of time, puts itself back
{data}

# once FILE COMMAND...: make FILE, unless it is there: a file that exists is complete. What an
# earlier attempt left half done, the same command goes on with.
once() {{
    if [[ -e $1 ]]; then
        echo "$1: is there"
        return
    fi
    local status=0 before
    before=$(progress "$1")
    trap 'again "time is nearly up"' USR1
    "${{@:2}}" &
    child=$!
    wait "$child" || status=$?
    (( status != 137 )) || again "killed"  # by a lack of memory, or by hand
    # torchrun ends with 1 whatever its processes died of. Those that were refused did not get
    # further; nor will those that fail again at the same step, once taken up there.
    if [[ ${{TRAIN[*]}} != "${{WSSS[*]}}" && "${{*:2}}" == "${{TRAIN[*]}} "* &&
        $status == 1 && $(progress "$1") != "$before" ]]
    then
        again "one of the processes failed or was killed"
    fi
    return "$status"
}}

# progress FILE: what changes with the work that is kept of FILE.
progress() {{
    {python} -c 'import os, sys
s = os.stat(sys.argv[1])
print(s.st_ino, s.st_mtime_ns, s.st_size)' "$1.partial" 2>/dev/null || true
}}

# again WHY: end what runs, and put this job back into the queue.
again() {{
    trap '' USR1
    echo "$1; restarts so far: ${{SLURM_RESTART_COUNT:-0}}"
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" || true
    if (( ${{SLURM_RESTART_COUNT:-0}} < RESTARTS )); then
        scontrol requeue "$SLURM_JOB_ID"
        sleep 600  # till Slurm ends this attempt
    fi
    exit 137
}}
"""


def common(plan: Plan) -> str:
    """What all jobs begin with."""
    python = shlex.quote(sys.executable)
    train = python
    if plan.processes > 1:
        train += f" -m torch.distributed.run --standalone --nproc-per-node={plan.processes}"
    data = f"export WSSS_DATA={shlex.quote(str(plan.data))}\n" if plan.data else ""
    return COMMON.format(
        run=shlex.quote(str(plan.run)),
        python=python,
        train=train,
        restarts=RESTARTS,
        data=data,
        setup="".join(f"{line}\n" for line in (SETUP, *plan.setup)) if plan.setup else "",
    )


def job(plan: Plan, name: str, body: str, kind: str | None = None) -> str:
    """A batch script; `kind` is what its options of sbatch go by, where not its name."""
    logs = str(plan.folder / "logs").replace("%", "%%").replace('"', '\\"')
    lines = [
        f"--job-name={name}",
        f'--output="{logs}/%x.%A_%a.log"' if "TASK" in body else f'--output="{logs}/%x.%j.log"',
        "--open-mode=append",
        "--requeue",
        f"--signal=B:USR1@{WARNING}",
        *map(directive, plan.sbatch.get(kind or name, ())),
    ]
    directives = "\n".join(f"#SBATCH {line}" for line in lines)
    source = shlex.quote(str(plan.folder / "common.sh"))
    return f"#!/bin/bash\n{directives}\nsource {source}\n\n{body}"


def directive(option: str) -> str:
    """An option of sbatch as a line of a script holds it: a value of several words in quotes.

    What is quoted already, and several options in one text, stay as they are.

    Raises:
        UsageError: it holds a line's end.

    >>> directive("--comment=two words")
    '--comment="two words"'
    >>> directive("--gres gpu:1 --mem=8G"), directive("--comment='two words'")
    ('--gres gpu:1 --mem=8G', "--comment='two words'")
    """
    if not option.isprintable():
        raise UsageError(f"--sbatch {option!r}: must stand in one line", "give each option its own")
    name, equals, value = option.partition("=")
    words = value.split()
    if not equals or " " in name or not words[1:] or any(mark in value for mark in "\"'\\"):
        return option
    if any(word.startswith("-") for word in words[1:]):
        return option
    return f'{name}="{value}"'


def stage_jobs(plan: Plan, stage: Stage) -> dict[str, str]:
    """A stage's batch script, and the one that joins its shards."""
    words = shlex.join(stage.arguments(plan.train, plan.val))
    flags = plan.flags.get(stage.name, "")
    options = " ".join(part for part in (words, flags) if part)
    if stage.trains:
        body = f'once {stage.out} "${{TRAIN[@]}}" {stage.name} {options} -o {stage.out}\n'
        return {stage.name: job(plan, stage.name, body)}
    stem, count = Path(stage.out).stem, plan.shards
    work = (
        f"shard=shards/{stem}.$SLURM_ARRAY_TASK_ID-of-{count}.h5\n"
        "mkdir -p shards\n"
        f'once "$shard" "${{WSSS[@]}}" {stage.name} {options} \\\n'
        f'    -o "$shard" --shard "$SLURM_ARRAY_TASK_ID/{count}"\n'
    )
    parts = f"shards/{stem}.{{1..{count}}}-of-{count}.h5"
    join = f'once {stage.out} "${{WSSS[@]}}" merge {parts} -o {stage.out}\n'
    name = f"{MERGE}-{stem}"
    return {stage.name: job(plan, stage.name, work), name: job(plan, name, join, MERGE)}


EVALUATE = """\
IFS=$'\\t' read -r file json split < <(sed -n "${{SLURM_ARRAY_TASK_ID}}p" {table})
once "$json" "${{WSSS[@]}}" eval "$file" ${{split:+--split "$split"}} {flags}--json "$json"
"""
TABULATE = """\
cut -f 2 {table} | tr '\\n' '\\0' | xargs -0 "${{WSSS[@]}}" info > scores.txt.new
mv scores.txt.new scores.txt
cat scores.txt
"""


def score_jobs(plan: Plan) -> dict[str, str]:
    """The batch scripts that score, and make a table of the scores."""
    table = shlex.quote(str(plan.folder / "scores.tsv"))
    flags = plan.flags.get(EVAL, "")
    evaluate = EVALUATE.format(table=table, flags=f"{flags} " if flags else "")
    return {
        EVAL: job(plan, EVAL, evaluate),
        SCORES: job(plan, SCORES, TABULATE.format(table=table)),
    }


def score_table(plan: Plan) -> str:
    """One line a file to score: file, its JSON, its split."""
    return "".join(f"{s.file}\t{s.json}\t{s.split or ''}\n" for s in plan.scores)


def scoring(plan: Plan) -> str:
    """What scores depend on beside the files; its date is since when."""
    splits = " ".join(dict.fromkeys(score.split or "all" for score in plan.scores))
    data = plan.data or "as each file records it"
    return f"data: {data}\nsplits: {splits}\noptions: {plan.flags.get(EVAL, '')}\n"


def scripts(plan: Plan) -> dict[str, str]:
    """Every file of the scripts' folder, by name."""
    jobs: dict[str, str] = {}
    for stage in plan.stages:
        jobs |= stage_jobs(plan, stage)
    files = {SUBMIT: submit(plan), "common.sh": common(plan)}
    if plan.scores:
        jobs |= score_jobs(plan)
        files |= {"scores.tsv": score_table(plan), "scoring": scoring(plan)}
    return files | {f"{name}.sbatch": text for name, text in jobs.items()}


def write_scripts(plan: Plan, folder: Path, force: bool) -> None:
    """Write all scripts into a folder; what is in there as it should be keeps its date.

    The script that submits comes last: a folder without it was left unfinished by an earlier
    attempt, which the same command goes on with.

    Raises:
        UsageError: scripts are there already, or other files of their names, and `force` is not
            given.
        WsssError: the folder cannot be made or written.
    """
    from ..artifacts.placing import make_folder, write_whole

    files = {folder / name: text.encode() for name, text in scripts(plan).items()}
    lacking = [path for path, content in files.items() if not _holds(path, content)]
    submitting = folder / SUBMIT
    if not force and any(os.path.lexists(path) for path in {*lacking, submitting}):
        raise UsageError(f"{folder}: exists already", "add --force to write its scripts anew")
    make_folder(folder, parents=True)
    make_folder(folder / "logs")
    for path in sorted(lacking, key=lambda path: path == submitting):
        write_whole(path, files[path])


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and path.read_bytes() == content
    except OSError:
        return False
