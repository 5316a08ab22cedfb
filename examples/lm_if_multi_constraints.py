"""Any model on allenai/IF_multi_constraints_upto5, whose constraint types IFBench does not test, with HiR's settings.

accelerate launch --config_file examples/accelerate/fsdp2.yaml examples/lm_if_multi_constraints.py
hindsight lm evaluate runs/if-multi/model --bench ifeval,ifbench,muldimif --out runs/if-multi/evaluation

`--dry` prints the settings and reads the data without loading the model.
"""

from lm_paper import arguments, run

if __name__ == "__main__":
    run(arguments(__doc__ or "", "Qwen/Qwen2.5-7B-Instruct", "if-rlvr", "runs/if-multi"))
