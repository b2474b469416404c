"""What each command is tried with: small arguments, the files it reads, and what it makes.

A command without a recipe fails `without_recipe`, so that the next one is not forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALL = "--crop 32 --epochs 1 --batch-size 2 --workers 0 --device cpu"
TINY = f"--backbone tiny --backbone-weights random {SMALL}"
ONE_LOOK = "--scales 1 --no-flip --workers 0 --device cpu"


@dataclass(frozen=True)
class Recipe:
    """One way to use a command.

    Attributes:
        name: the command, and where it has several recipes what tells them apart.
        line: all arguments, as typed in a folder that holds `reads`.
        reads: files and folders of the world that it needs.
        makes: what it writes, files and folders.
        prints: whether it prints a result, which is compared too.
        workers: what starts worker processes, in place of `--workers 0`; "" for none.
    """

    name: str
    line: str
    reads: str
    makes: str = ""
    prints: bool = False
    workers: str = ""

    @property
    def command(self) -> str:
        return self.name.split()[0]

    @property
    def words(self) -> list[str]:
        return self.line.split()

    @property
    def can_force(self) -> bool:
        """Whether it writes something that --force replaces."""
        return bool(self.makes)


NAMED = "classes.txt train.txt val.txt photos"
SPLITS = "--classes classes.txt --split train=train.txt --split val=val.txt -o out.h5 -q"
SUPERVISED = "--loss dsrg --model deeplabv1 --supervision mined.h5 --val-split val"

RECIPES = (
    Recipe(
        "pack tiles",
        f"pack --csv tags.csv --images photos --masks masks --tile 20 --overlap 4 {SPLITS}",
        f"tags.csv masks {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack csv",
        f"pack --csv tags.csv --images photos --masks masks --ids ids.txt {SPLITS}",
        f"tags.csv masks ids.txt {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack link",
        f"pack --csv tags.csv --images photos --link {SPLITS}",
        f"tags.csv {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack npy", f"pack --npy tags.npy --images photos {SPLITS}", f"tags.npy {NAMED}", "out.h5"
    ),
    Recipe(
        "pack via", f"pack --via via.json --images photos {SPLITS}", f"via.json {NAMED}", "out.h5"
    ),
    Recipe(
        "pack coco",
        f"pack coco.json --format coco --images photos {SPLITS}",
        f"coco.json {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack voc", "pack --voc voc --classes classes.txt -o out.h5 -q", "voc classes.txt", "out.h5"
    ),
    Recipe(
        "pack label-studio",
        f"pack studio.json --format label-studio --images photos {SPLITS}",
        f"studio.json {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack points",
        f"pack points.csv --format points --images photos {SPLITS}",
        f"points.csv {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack geojson",
        f"pack geo --format geojson --images photos {SPLITS}",
        f"geo {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack open-images",
        f"pack open --format open-images --images photos {SPLITS}",
        f"open {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack captions",
        f"pack --captions captions.csv --images photos {SPLITS}",
        f"captions.csv {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack cvat", "pack cvat --format cvat --images photos -o out.h5 -q", "cvat photos", "out.h5"
    ),
    Recipe("pack cvat-mask", "pack cvatmask --format cvat-mask -o out.h5 -q", "cvatmask", "out.h5"),
    Recipe(
        "pack labelme",
        "pack labelme --format labelme --images photos -o out.h5 -q",
        "labelme photos",
        "out.h5",
    ),
    Recipe(
        "pack supervisely",
        "pack supervisely --format supervisely --images photos -o out.h5 -q",
        "supervisely photos",
        "out.h5",
    ),
    Recipe(
        "pack scribblesup",
        "pack scribbles --format scribblesup --images photos -o out.h5 -q",
        "scribbles photos",
        "out.h5",
    ),
    Recipe(
        "pack whats-the-point",
        f"pack points.json --format whats-the-point --images photos {SPLITS}",
        f"points.json {NAMED}",
        "out.h5",
    ),
    Recipe(
        "pack yolo",
        "pack yolo --format yolo -o out.h5 -q",
        "yolo",
        "out.h5",
    ),
    Recipe(
        "pack imagefolder",
        "pack byclass --format imagefolder -o out.h5 -q",
        "byclass",
        "out.h5",
    ),
    Recipe(
        "pack mask-folders",
        "pack pairs --format mask-folders --classes classes.txt -o out.h5 -q",
        "pairs classes.txt",
        "out.h5",
    ),
    Recipe(
        "pack roboflow-tags",
        "pack roboflow --format roboflow-tags -o out.h5 -q",
        "roboflow",
        "out.h5",
    ),
    Recipe("pack demo", "pack --demo 4 -o out.h5 -q", "", "out.h5"),
    Recipe(
        "train-cls",
        f"train-cls {TINY} --val-split val -o out.pt -q",
        "data.h5",
        "out.pt",
        workers="2",
    ),
    Recipe(
        "train-cls oaa",
        f"train-cls --method oaa --attention-from 0 {TINY} --maps maps.h5 -o out.pt -q",
        "data.h5",
        "out.pt maps.h5",
    ),
    Recipe(
        "make-cam",
        f"make-cam {ONE_LOOK} --ids ids.txt -o out.h5 -q",
        "data.h5 cls.pt ids.txt",
        "out.h5",
    ),
    Recipe(
        "make-cam linked",
        f"make-cam --data linked.h5 {ONE_LOOK} -o out.h5 -q",
        "linked.h5 cls.pt photos",
        "out.h5",
    ),
    Recipe(
        "make-seeds",
        "make-seeds --method irn --workers 0 --ids ids.txt -o out.h5 -q",
        "data.h5 cam.h5 ids.txt",
        "out.h5",
        workers="2",
    ),
    Recipe(
        "make-seeds threshold",
        "make-seeds --method threshold --workers 0 -o out.h5 -q",
        "data.h5 cam.h5",
        "out.h5",
    ),
    Recipe(
        "make-seeds oaa",
        "make-seeds --method oaa --saliency saliency --workers 0 -o out.h5 -q",
        "data.h5 cam.h5 saliency",
        "out.h5",
    ),
    Recipe(
        "make-seeds cues",
        "make-seeds --method cues --data data.h5 --cues cues.pickle --cues-list cues.txt "
        "--workers 0 -o out.h5 -q",
        "data.h5 cues.pickle cues.txt",
        "out.h5",
    ),
    Recipe(
        "train-aff", f"train-aff {TINY} -o out.pt -q", "data.h5 seeds.h5", "out.pt", workers="2"
    ),
    Recipe(
        "random-walk",
        "random-walk --scores walked.h5 --workers 0 --device cpu -o out.h5 -q",
        "data.h5 cam.h5 aff.pt",
        "out.h5 walked.h5",
    ),
    Recipe(
        "random-walk nearest",
        "random-walk --method nearest --weights psa.pt --workers 0 --device cpu -o out.h5 -q",
        "data.h5 cam.h5 psa.pt",
        "out.h5",
    ),
    Recipe(
        "train-seg",
        f"train-seg --labels pseudo.h5 {TINY} --val-split val -o out.pt -q",
        "data.h5 pseudo.h5",
        "out.pt",
        workers="2",
    ),
    Recipe(
        "train-seg supervision",
        f"train-seg --labels seeds.h5 {SUPERVISED} {TINY} -o out.pt -q",
        "data.h5 seeds.h5",
        "out.pt mined-1.h5",
    ),
    Recipe(
        "predict", f"predict --data data.h5 {ONE_LOOK} -o out.h5 -q", "data.h5 seg.pt", "out.h5"
    ),
    Recipe("predict png", f"predict photos {ONE_LOOK} --png png -q", "photos seg.pt", "png"),
    Recipe(
        "eval",
        "eval cam.h5 --split train --threshold-from scores.json --json out.json -q",
        "data.h5 cam.h5 scores.json",
        "out.json",
        prints=True,
    ),
    Recipe(
        "eval calibrated",
        "eval cam.h5 --calibrate-ids val.txt --json - -q",
        "data.h5 cam.h5 val.txt",
        prints=True,
    ),
    Recipe(
        "eval labels",
        "eval pseudo.h5 --ids ids.txt --allow-missing --json - -q",
        "data.h5 pseudo.h5 ids.txt",
        prints=True,
    ),
    Recipe(
        "eval boxes",
        "eval boxed-cam.h5 --boxes annotated --thresholds 0.1,0.3 --json out.json -q",
        "boxed.h5 boxed-cam.h5",
        "out.json",
        prints=True,
    ),
    Recipe(
        "eval intervals",
        "eval cam.h5 --split train --bootstrap 100 --clusters clusters.csv --per-image out.csv -q",
        "data.h5 cam.h5 clusters.csv",
        "out.csv",
        prints=True,
    ),
    Recipe(
        "compare",
        "compare scores.json others.json --clusters clusters.csv",
        "scores.json others.json clusters.csv",
        prints=True,
    ),
    Recipe(
        "eval faithfulness",
        "eval cam.h5 --split train --faithfulness --limit 1 --steps 2 --device cpu "
        "--json out.json -q",
        "data.h5 cam.h5 cls.pt",
        "out.json",
        prints=True,
    ),
    Recipe("merge", "merge cam.1.h5 cam.2.h5 -o out.h5 -q", "cam.1.h5 cam.2.h5", "out.h5"),
    Recipe(
        "info",
        "info data.h5 cam.h5 cls.pt scores.json",
        "data.h5 cam.h5 cls.pt scores.json",
        prints=True,
    ),
    Recipe(
        "info supervision",
        "info --supervision data.h5 cam.h5 scores.json",  # of weights it reads no tensors
        "data.h5 cam.h5 scores.json",
        prints=True,
    ),
    Recipe("export png", "export pseudo.h5 --format png -o out -q", "pseudo.h5", "out"),
    Recipe("export npy", "export pseudo.h5 --format npy -o out -q", "pseudo.h5", "out"),
    Recipe("export irn-npy", "export cam.h5 --format irn-npy -o out -q", "cam.h5", "out"),
    Recipe(
        "export psa-npy",
        "export cam.h5 --format psa-npy --ids ids.txt -o out -q",
        "cam.h5 ids.txt",
        "out",
    ),
    Recipe("export boxes-csv", "export cam.h5 --format boxes-csv -o out -q", "cam.h5", "out"),
    Recipe(
        "view",
        "view cam.h5 pseudo.h5 -o out.png --ids ids.txt --cell 64 -q",
        "data.h5 cam.h5 pseudo.h5 ids.txt",
        "out.png",
    ),
    Recipe("plan", "plan --no-measure --json -q", "data.h5", prints=True),
    Recipe(
        "slurm",
        "slurm --data data.h5 -o out --shards 2 --split train --val-split val -q",
        "data.h5",
        "out",
    ),
    Recipe("slurm scores", "slurm cam.h5 pseudo.h5 -o out -q", "cam.h5 pseudo.h5", "out"),
)

# What the world is built with, after its photographs and lists were drawn.
BUILD = (
    "pack --csv tags.csv --images photos --masks masks --classes classes.txt "
    "--split train=train.txt --split val=val.txt -o data.h5 -q",
    "pack --csv tags.csv --images photos --classes classes.txt --link -o linked.h5 -q",
    f"train-cls {TINY} -o cls.pt -q",
    f"make-cam {ONE_LOOK} -o cam.h5 -q",
    f"make-cam {ONE_LOOK} --shard 1/2 -o cam.1.h5 -q",
    f"make-cam {ONE_LOOK} --shard 2/2 -o cam.2.h5 -q",
    "pack --voc voc --classes classes.txt -o boxed.h5 -q",
    f"make-cam --data boxed.h5 {ONE_LOOK} -o boxed-cam.h5 -q",
    "eval cam.h5 --split val --json scores.json -q",
    "eval cam.h5 --split val --threshold 0.4 --json others.json -q",
    "make-seeds --method threshold --workers 0 -o seeds.h5 -q",
    f"train-aff {TINY} -o aff.pt -q",
    f"train-aff --method psa {TINY} -o psa.pt -q",
    "random-walk --workers 0 --device cpu -o pseudo.h5 -q",
    f"train-seg --labels pseudo.h5 {TINY} -o seg.pt -q",
)


def recipe(name: str) -> Recipe:
    """The recipe of this name."""
    return next(one for one in RECIPES if one.name == name)


def without_recipe() -> list[str]:
    """Commands of the program, and formats of export, that no recipe tries."""
    from wsss_cli.commands import COMMANDS
    from wsss_cli.formats.exporters import EXPORTERS
    from wsss_cli.formats.readers import READERS

    names = {one.name for one in RECIPES} | {one.command for one in RECIPES}
    wanted = [module.NAME for module in COMMANDS]
    wanted += [f"export {one.name}" for one in EXPORTERS]
    wanted += [f"pack {one.name}" for one in READERS]
    return [name for name in wanted if name not in names]
