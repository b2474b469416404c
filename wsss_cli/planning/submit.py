"""The script that hands the jobs of a run to Slurm, each behind those that make what it reads."""

from __future__ import annotations

import shlex
from pathlib import Path

from .chain import EVAL
from .run import MERGE, SCORES, Plan

# Of bash 3.2 and the tools of BSD as well: no associative arrays, no empty array under `set -u`.
SUBMIT = """\
#!/bin/bash
# Submits what is not there yet, each job behind those that make what it reads. After a failure,
# run it again: files that exist are complete and stay.
set -euo pipefail
cd {run}
mkdir -p slurm/logs
any=  # whether a job was submitted now; id_NAME is its id
OLD="what they are made from is made anew: delete what is old"

if [[ -s slurm/jobs ]] && squeue --noheader --jobs="$(paste -sd, slurm/jobs)" 2>/dev/null | grep .
then
    echo "these are still in the queue; wait for them, or scancel them" >&2
    exit 1
fi
: > slurm/jobs

# submitted JOB...: the ids of those that are submitted now, each behind a colon.
submitted() {{
    local id
    for id; do
        id=id_${{id//-/_}}
        printf %s "${{!id:+:${{!id}}}}"
    done
}}

# job NAME OUTPUT AFTER [OPTION...]: submit slurm/NAME.sbatch, unless OUTPUT is there, behind those
# of the jobs AFTER that are submitted too.
job() {{
    local name=$1 output=$2 after id
    after=$(submitted $3)
    shift 3
    if [[ -e $output ]]; then
        [[ -z $after ]] || echo "warning: $output stays, but $OLD" >&2
        return
    fi
    id=$(sbatch --parsable ${{after:+--dependency=afterok$after}} --kill-on-invalid-dep=yes \\
        ${{1+"$@"}} "slurm/$name.sbatch")
    id=${{id%%;*}}
    printf -v "id_${{name//-/_}}" %s "$id"
    any=yes
    echo "$id" >> slurm/jobs
    echo "$name: job $id${{after:+ after${{after//:/ }}}}"
}}

# array NAME OUTPUT AFTER PART...: the same, as tasks for the PARTs that are missing.
array() {{
    local name=$1 output=$2 makers=$3 number=0 missing=0 list= part
    shift 3
    for part; do
        number=$((number + 1))
        if [[ ! -e $part ]]; then
            missing=$((missing + 1))
            list=$list,$number
        fi
    done
    if [[ -n $output && -n $(submitted $makers) ]] && (( missing < number )); then
        echo "warning: parts of $output stay, but $OLD" >&2
    fi
    if (( missing )); then
        (( missing < number || number == 1 )) || list=,1-$number
        job "$name" "$output" "$makers" --array="${{list#,}}{at_once}"
    fi
}}

# outdated FILE JSON: whether a score is older than its file or than what is asked of scores; or
# its file is made anew.
outdated() {{
    [[ $1 -nt $2 || slurm/scoring -nt $2 || ( ! -e $1 && -n $any ) ]]
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
