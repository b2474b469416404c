"""The text of the scripts that `wsss slurm` writes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .chain import EVAL, Stage

SCORES, MERGE = "scores", "merge"
WARNING = 120  # seconds before its time limit at which a job puts itself back
RESTARTS = 10


@dataclass(frozen=True)
class Score:
    """A file to score: what `wsss eval` is told."""

    file: str
    json: str
    split: str | None


@dataclass(frozen=True)
class Plan:
    """All that the scripts depend on.

    Attributes:
        run: absolute path of the folder that results go to.
        stages: of the chain; none where files are scored only.
        scores: files to score, and where to.
        train, val: splits.
        shards: tasks of an array job.
        at_once: how many of them run at a time; None for any number.
        flags: by stage, options of its command.
        sbatch: by job, options of sbatch.
        setup: lines of shell at each job's start.
        data: absolute path of the data set; None to take what each file records.
        processes: of a training job.
    """

    run: Path
    stages: Sequence[Stage]
    scores: Sequence[Score]
    train: str | None
    val: str | None
    shards: int
    at_once: int | None
    flags: Mapping[str, str] = field(default_factory=dict)
    sbatch: Mapping[str, Sequence[str]] = field(default_factory=dict)
    setup: Sequence[str] = ()
    data: Path | None = None
    processes: int = 1

    @property
    def folder(self) -> Path:
        return self.run / "slurm"


COMMON = """\
# Sourced by every job; yours to edit.
cd {run}
WSSS=({python} -m wsss_cli)
TRAIN=({train} -m wsss_cli)
RESTARTS={restarts}  # times that a job which was killed, or ran out of time, puts itself back
{data}{setup}

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
    stat -c '%i %y %s' "$1.partial" 2>/dev/null || true
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
        setup="\n".join(plan.setup),
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
        *plan.sbatch.get(kind or name, ()),
    ]
    directives = "\n".join(f"#SBATCH {line}" for line in lines)
    source = shlex.quote(str(plan.folder / "common.sh"))
    return f"#!/bin/bash\n{directives}\nset -euo pipefail\nsource {source}\n\n{body}"


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
cut -f 2 {table} | xargs -d '\\n' "${{WSSS[@]}}" info > scores.txt.new
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


SUBMIT = """\
#!/bin/bash
# Submits what is not there yet, each job behind those that make what it reads. After a failure,
# run it again: files that exist are complete and stay.
set -euo pipefail
cd {run}
mkdir -p slurm/logs
declare -A id=()  # of the jobs submitted now
OLD="what they are made from is made anew: delete what is old"

if [[ -s slurm/jobs ]] && squeue --noheader --jobs="$(paste -sd, slurm/jobs)" 2>/dev/null | grep .
then
    echo "these are still in the queue; wait for them, or scancel them" >&2
    exit 1
fi
: > slurm/jobs

# submitted JOB...: the ids of those that are submitted now, each behind a colon.
submitted() {{
    local name
    for name; do
        echo -n "${{id[$name]:+:${{id[$name]}}}}"
    done
}}

# job NAME OUTPUT AFTER [OPTION...]: submit slurm/NAME.sbatch, unless OUTPUT is there, behind those
# of the jobs AFTER that are submitted too.
job() {{
    local after
    after=$(submitted $3)
    if [[ -e $2 ]]; then
        [[ -z $after ]] || echo "warning: $2 stays, but $OLD" >&2
        return
    fi
    id[$1]=$(sbatch --parsable ${{after:+--dependency=afterok$after}} --kill-on-invalid-dep=yes \\
        "${{@:4}}" "slurm/$1.sbatch")
    id[$1]=${{id[$1]%%;*}}
    echo "${{id[$1]}}" >> slurm/jobs
    echo "$1: job ${{id[$1]}}${{after:+ after${{after//:/ }}}}"
}}

# array NAME OUTPUT AFTER PART...: the same, as tasks for the PARTs that are missing.
array() {{
    local number=0 missing=() part
    for part in "${{@:4}}"; do
        number=$((number + 1))
        [[ -e $part ]] || missing+=("$number")
    done
    if [[ -n $2 && -n $(submitted $3) ]] && (( ${{#missing[@]}} < number )); then
        echo "warning: parts of $2 stay, but $OLD" >&2
    fi
    if (( ${{#missing[@]}} )); then
        local list
        list=$(IFS=,; echo "${{missing[*]}}")
        (( ${{#missing[@]}} < number || number == 1 )) || list=1-$number
        job "$1" "$2" "$3" --array="$list{at_once}"
    fi
}}

# outdated FILE JSON: whether a score is older than its file or than what is asked of scores; or
# its file is made anew.
outdated() {{
    [[ $1 -nt $2 || slurm/scoring -nt $2 || ( ! -e $1 && ${{#id[@]}} -gt 0 ) ]]
}}

{jobs}"""

SCORE = """\
scores=()
while IFS=$'\\t' read -r file json _; do
    scores+=("$json")
    if outdated "$file" "$json"; then
        rm -f "$json"
    fi
done < slurm/scores.tsv
array {eval} "" "{makers}" "${{scores[@]}}"
if [[ -n $(submitted {eval}) || slurm/scores.tsv -nt scores.txt ]]; then
    rm -f scores.txt
fi
job {table} scores.txt {eval}
"""


def submit(plan: Plan) -> str:
    """The script that hands all jobs to Slurm."""
    text = ""
    makers: dict[str, str] = {}  # by file, the job that makes it
    for stage in plan.stages:
        after = " ".join(makers[name] for name in stage.sources)
        if stage.trains:
            text += f'job {stage.name} {stage.out} "{after}"\n'
            makers[stage.out] = stage.name
        else:
            stem, count = Path(stage.out).stem, plan.shards
            parts = f"shards/{stem}.{{1..{count}}}-of-{count}.h5"
            join = f"{MERGE}-{stem}"
            text += f'array {stage.name} {stage.out} "{after}" {parts}\n'
            text += f"job {join} {stage.out} {stage.name}\n"
            makers[stage.out] = join
    if plan.scores:
        scored = " ".join(makers[score.file] for score in plan.scores if score.file in makers)
        text += SCORE.format(eval=EVAL, table=SCORES, makers=scored)
    return SUBMIT.format(
        run=shlex.quote(str(plan.run)),
        at_once=f"%{plan.at_once}" if plan.at_once else "",
        jobs=text,
    )


def scripts(plan: Plan) -> dict[str, str]:
    """Every file of the scripts' folder, by name."""
    jobs: dict[str, str] = {}
    for stage in plan.stages:
        jobs |= stage_jobs(plan, stage)
    files = {"submit.sh": submit(plan), "common.sh": common(plan)}
    if plan.scores:
        jobs |= score_jobs(plan)
        files |= {"scores.tsv": score_table(plan), "scoring": scoring(plan)}
    return files | {f"{name}.sbatch": text for name, text in jobs.items()}
