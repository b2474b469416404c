# The chain as rules: every artifact is a file, every rule one command.
#
#   make demo                              the whole chain on embedded data, with scores and a picture
#   make test                              the tests
#   make test-plain                        those that train, as on the plainest processor
#   make RUN=runs/mine DATA=mine.h5        the chain on your own data, packed with `wsss pack`
#   make RUN=runs/voc VOC=VOCdevkit/VOC2012 TRAIN=train   the chain on a VOC devkit
#   make ... SHARDS=4 -j4                  image-by-image stages in four processes
#   make ... FLAGS_seeds='--method psa'    options of one stage; changing them rebuilds what follows
#   make ... ROUNDS=1                      then label TRAIN anew with the network, and train on that
#   make best RUN=runs/mine DATA=mine.h5   the chain that scored best for its cost (docs/results.md)
#
# Each stage may be rerun by deleting its file, and swapped by another rule for the same file.

SHELL         := bash
.SHELLFLAGS   := -eu -o pipefail -c
MAKEFLAGS     += --no-builtin-rules --warn-undefined-variables
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

PYTHON ?= python3
VENV   ?= .venv
WSSS   ?= $(VENV)/bin/wsss
RUN    ?= runs/mine
VOC    ?=
DATA   ?= $(RUN)/data.h5

# Splits: the classifier and the network learn from TRAIN, maps and masks are scored on SCORE
# where it has true masks, the network on VAL. An empty TRAIN takes all images.
TRAIN  ?= train
SCORE  ?= $(TRAIN)
VAL    ?= val

# Shards of the stages that work image by image; with GPUS=N, shard I runs on GPU I modulo N, of
# those in CUDA_VISIBLE_DEVICES where it is set. Shards that run at a time (make -jM) divide CORES
# among them; OMP_NUM_THREADS and WSSS_CORES, where set, say otherwise.
SHARDS ?= 1
GPUS   ?=
CORES  ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
CUDA_VISIBLE_DEVICES ?=

# Rounds of self-training after the first network: round N labels TRAIN by the network before it,
# with the classes of an image's tags only (roundN.h5), and trains the next one on that (roundN.pt).
# FLAGS_relabel='--min-confidence 0.7' trusts sure pixels only; seg.pt, round1.pt, ... stay.
ROUNDS ?= 0

# What the network learns from: pseudo, the walk's masks; or seeds, and then nothing walks.
TARGET ?= pseudo

# Options of each stage.
FLAGS_data  ?=
FLAGS_cls   ?=
FLAGS_cam   ?=
FLAGS_seeds ?=
FLAGS_aff   ?=
FLAGS_walk  ?=
FLAGS_seg   ?=
FLAGS_pred  ?=
FLAGS_relabel ?= $(FLAGS_pred)
FLAGS_retrain ?= $(FLAGS_seg)
# Intervals of 95 % over images; FLAGS_eval= for none.
FLAGS_eval  ?= --bootstrap 2000
FLAGS_view  ?= --limit 6
# What `best` gives before FLAGS_seg, FLAGS_relabel and FLAGS_retrain, which so count more.
USUAL_seg     ?=
USUAL_relabel ?=
USUAL_retrain ?=

# `make demo`: a small network that learns from scratch, on scenes drawn by rule. Its classes are
# told by a badge on a plain body, so the maps find badges and the walk has bodies to win.
DEMO_SCENES ?= 240
define DEMO
RUN=runs/demo TRAIN=train VAL=val
FLAGS_data='--demo $(DEMO_SCENES)'
FLAGS_cls='--backbone tiny --backbone-weights random --batchnorm train --freeze-stages 0
 --output-stride 8 --no-dilated --crop 112 --long-side 96,140 --batch-size 8 --epochs 24
 --lr 0.1 --head-multiplier 1 --val-every 4'
FLAGS_seeds='--method irn'
FLAGS_aff='--method irn --backbone tiny --backbone-weights runs/demo/cls.pt --output-stride 8
 --crop 128 --rescale 0.9,1.3 --radius 6 --batch-size 8 --epochs 15 --lr 0.1'
FLAGS_seg='--model unet --backbone tiny --backbone-weights runs/demo/cls.pt --batchnorm train
 --freeze-stages 0 --crop 112 --batch-size 8 --epochs 20 --lr 0.05 --val-every 5'
FLAGS_pred='--scales 1'
endef

# What each stage's command line holds beside its inputs and its output.
train := $(if $(TRAIN),--split $(TRAIN))
val   := $(if $(VAL),--val-split $(VAL))
args_data  = $(if $(VOC),--voc $(VOC)) $(FLAGS_data)
args_cls   = --data $(DATA) $(train) $(val) $(FLAGS_cls)
args_cam   = --data $(DATA) $(train) $(FLAGS_cam)
args_seeds = --data $(DATA) $(FLAGS_seeds)
args_aff   = --data $(DATA) $(FLAGS_aff)
args_walk  = --data $(DATA) $(FLAGS_walk)
args_seg   = --labels $(RUN)/$(TARGET).h5 --data $(DATA) $(val) $(USUAL_seg) $(FLAGS_seg)
args_pred  = --data $(DATA) --split $(VAL) $(FLAGS_pred)
args_relabel = --data $(DATA) $(train) --restrict-to-tags $(USUAL_relabel) $(FLAGS_relabel)
args_retrain = --data $(DATA) $(val) $(USUAL_retrain) $(FLAGS_retrain)
args_eval  = --data $(DATA) $(FLAGS_eval)
args_view  = --data $(DATA) $(FLAGS_view)

# Lists of numbers: `seq` counts down on macOS and BSD where the first is above the last.
below = $(shell i=0; while (( i < $(1) )); do echo $$(( i++ )); done)
upto  = $(shell i=0; while (( i < $(1) )); do echo $$(( ++i )); done)
number = $(if $(shell [[ '$($(1))' =~ ^$(2)$$ ]] && echo fits),,$(error $(1)=$($(1)): is no $(3)))
$(call number,ROUNDS,[0-9]+,number of rounds)
$(call number,SHARDS,[1-9][0-9]*,number of shards)
$(if $(GPUS),$(call number,GPUS,[1-9][0-9]*,number of GPUs))

# Chain

STAGES := cls cam seeds aff walk seg pred relabel retrain
rounds := $(addprefix round,$(call upto,$(ROUNDS)))
# What is scored on SCORE, and on VAL: the networks.
maps   := cam seeds $(filter pseudo,$(TARGET))
made   := $(maps) $(rounds)
seen   := pred $(addsuffix -pred,$(rounds))
SCORES  = $(patsubst %,$(RUN)/%.json,$(maps) pred $(foreach r,$(rounds),$(r) $(r)-pred))

.PHONY: all chain best install demo test test-plain lint docs bench clean FORCE
# Scores before the picture, each behind its stage; the table of all of them is printed last.
all: $(SCORES) $(RUN)/sheet.png
	@echo
	@$(WSSS) info $(SCORES)
	@echo "picture: $(RUN)/sheet.png"
chain: $(patsubst %,$(RUN)/%.h5,$(seen))

ifeq ($(DATA),$(RUN)/data.h5)
$(DATA): $(RUN)/.flags/data | $(WSSS)
	$(WSSS) pack $(args_data) -o $@ --force
endif

$(RUN)/cls.pt: $(DATA) $(RUN)/.flags/cls | $(WSSS)
	$(WSSS) train-cls $(args_cls) -o $@ --force
$(RUN)/aff.pt: $(RUN)/seeds.h5 $(RUN)/.flags/aff | $(WSSS)
	$(WSSS) train-aff --seeds $< $(args_aff) -o $@ --force
$(RUN)/seg.pt: $(RUN)/$(TARGET).h5 $(RUN)/.flags/seg | $(WSSS)
	$(WSSS) train-seg $(args_seg) -o $@ --force

# An image-by-image stage: $(call image_stage,FILE,STAGE,INPUTS,COMMAND). One process writes FILE,
# or SHARDS processes write parts of it, which merge joins.
shard_files = $(foreach i,$(call upto,$(SHARDS)),$(RUN)/$(1).$(i)-of-$(SHARDS).h5)
comma       := ,
gpus        = $(or $(subst $(comma), ,$(CUDA_VISIBLE_DEVICES)),$(call below,$(GPUS)))
gpu         = $(word $(shell echo $$(( ($* - 1) % $(GPUS) + 1 ))),$(gpus))
on_gpu      = CUDA_VISIBLE_DEVICES=$(or $(gpu),$(error GPUS=$(GPUS): only $(gpus) may be used))
at_once     = $(or $(patsubst -j%,%,$(filter -j%,$(MAKEFLAGS))),$(if $(filter -j,$(MAKEFLAGS)),$(SHARDS),1))
share       = $(shell m=$$(( $(at_once) < $(SHARDS) ? $(at_once) : $(SHARDS) )); \
	echo $$(( $(CORES) > m ? $(CORES) / m : 1 )))
on_cores    = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$(share)} WSSS_CORES=$${WSSS_CORES:-$(share)}
placed      = $(if $(GPUS),$(on_gpu) )$(if $(filter-out 1,$(at_once)),$(on_cores) )
define image_stage
ifeq ($(SHARDS),1)
$(RUN)/$(1).h5: $(3) $(RUN)/.flags/$(2) | $(WSSS)
	$(WSSS) $(4) $$(args_$(2)) -o $$@ --force
else
$(RUN)/$(1).%-of-$(SHARDS).h5: $(3) $(RUN)/.flags/$(2) | $(WSSS)
	$$(placed)$(WSSS) $(4) $$(args_$(2)) -o $$@ --force --shard $$*/$(SHARDS)
$(RUN)/$(1).h5: $(call shard_files,$(1))
	$(WSSS) merge $$^ -o $$@ --force
.SECONDARY: $(call shard_files,$(1))
endif
endef
$(eval $(call image_stage,cam,cam,$(RUN)/cls.pt,make-cam --weights $(RUN)/cls.pt))
$(eval $(call image_stage,seeds,seeds,$(RUN)/cam.h5,make-seeds --cam $(RUN)/cam.h5))
$(eval $(call image_stage,pseudo,walk,$(RUN)/cam.h5 $(RUN)/aff.pt,random-walk --cam $(RUN)/cam.h5 --weights $(RUN)/aff.pt))
$(eval $(call image_stage,pred,pred,$(RUN)/seg.pt,predict --weights $(RUN)/seg.pt))

# A round of self-training: $(call round,NAME,WEIGHTS), from the weights of the round before.
define round
$(call image_stage,$(1),relabel,$(2),predict --weights $(2))
$(RUN)/$(1).pt: $(RUN)/$(1).h5 $(RUN)/.flags/retrain | $(WSSS)
	$(WSSS) train-seg --labels $$< $$(args_retrain) -o $$@ --force
$(call image_stage,$(1)-pred,pred,$(RUN)/$(1).pt,predict --weights $(RUN)/$(1).pt)
endef
$(foreach n,$(rounds:round%=%),$(eval $(call round,round$(n),$(RUN)/$(word $(n),seg $(rounds)).pt)))

# Scores: the table goes to the terminal, the figures to a file.
$(made:%=$(RUN)/%.json): $(RUN)/%.json: $(RUN)/%.h5 $(RUN)/.flags/eval
	$(WSSS) eval $< --split $(SCORE) $(args_eval) --json $@ --force
$(seen:%=$(RUN)/%.json): $(RUN)/%.json: $(RUN)/%.h5 $(RUN)/.flags/eval
	$(WSSS) eval $< --split $(VAL) $(args_eval) --json $@ --force
$(RUN)/sheet.png: $(made:%=$(RUN)/%.h5) $(RUN)/.flags/view
	$(WSSS) view $(filter %.h5,$^) --split $(SCORE) $(args_view) -o $@ --force

# A stage's options, in a file that is rewritten only when they differ (they hold no single quote).
define flag_file
$(RUN)/.flags/$(1): $(shell cmp -s $(RUN)/.flags/$(1) <(echo '$(args_$(1))') || echo FORCE)
	@mkdir -p $$(@D)
	@echo '$(args_$(1))' > $$@
endef
$(foreach stage,data $(STAGES) eval view,$(eval $(call flag_file,$(stage))))
FORCE:

# The chain that scored best for what it costs: a network that grows the seeds while it learns from
# them, in place of boundaries and walk, and another that learns from the pixels of which that one is
# sure. FLAGS_seg and all else may be given as ever, ROUNDS too: VGG-16 wants --no-probe.
BEST_NET := --model deeplabv2 --output-stride 16 --crop 321 --epochs 6
define BEST
TARGET=seeds
ROUNDS=$(if $(filter file,$(origin ROUNDS)),1,$(ROUNDS))
USUAL_seg='--loss dsrg --probe $(BEST_NET)'
USUAL_relabel='--scales 0.75,1,1.25 --min-confidence 0.8'
USUAL_retrain='$(BEST_NET)'
endef
best: | $(WSSS)
	@$(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) $(strip $(BEST)) all

# Demo, tests, upkeep

install: $(VENV)/bin/wsss

demo: | $(WSSS)
	@$(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) $(strip $(DEMO)) all

test: $(VENV)/test-ready
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto --dist worksteal --durations 15

# What training gives on the plainest processor (docs/testing.md).
test-plain: $(VENV)/test-ready
	OMP_NUM_THREADS=1 ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 \
		$(VENV)/bin/python -m pytest -q -n auto -m trains

lint: $(VENV)/test-ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: | $(WSSS)
	$(VENV)/bin/python docs/generate.py

# BENCH names some of them; FLAGS_bench='--device cuda --json FILE' as benchmarks/run.py takes them.
BENCH       ?=
FLAGS_bench ?=
bench: | $(WSSS)
	$(VENV)/bin/python benchmarks/run.py $(FLAGS_bench) $(BENCH)

clean:
	rm -rf runs/demo

# The C++ that pydensecrf2 ships predates Python 3.13; with Cython at hand it is made anew.
$(VENV)/bin/wsss: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip setuptools wheel cython
	$(VENV)/bin/python -m pip install --quiet --no-build-isolation pydensecrf2
	$(VENV)/bin/python -m pip install --quiet --editable .
	touch $@
$(VENV)/test-ready: $(VENV)/bin/wsss
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	touch $@
