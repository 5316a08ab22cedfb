"""Qwen2.5-7B-Instruct on HIR-16K with the paper's settings.

accelerate launch --config_file examples/accelerate/fsdp2.yaml examples/lm_qwen2_5_7b.py
hindsight lm evaluate runs/qwen2.5-7b/model --bench ifeval,ifbench,muldimif --out runs/qwen2.5-7b/evaluation

`--dry` prints the settings and reads the data without loading the model.
"""

from lm_paper import arguments, run

if __name__ == "__main__":
    run(arguments(__doc__ or "", "Qwen/Qwen2.5-7B-Instruct", "hir-16k", "runs/qwen2.5-7b"))
