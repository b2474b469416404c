"""The script that hands the jobs of a run to Slurm, each behind those that make what it reads."""

from __future__ import annotations

import shlex
from pathlib import Path

from .chain import EVAL
from .run import MERGE, SCORES, Plan

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
