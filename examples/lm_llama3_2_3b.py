"""Llama-3.2-3B-Instruct on HIR-16K with the paper's settings.

accelerate launch --config_file examples/accelerate/fsdp2.yaml examples/lm_llama3_2_3b.py
hindsight lm evaluate runs/llama3.2-3b/model --bench ifeval,ifbench,muldimif --out runs/llama3.2-3b/evaluation

`--dry` prints the settings and reads the data without loading the model.
"""

from lm_paper import arguments, run

if __name__ == "__main__":
    run(arguments(__doc__ or "", "meta-llama/Llama-3.2-3B-Instruct", "hir-16k", "runs/llama3.2-3b"))
