"""
Stay on hosted models or take a GPU? `python scripts/compare_costs.py --gpu H100` answers, with no file at all.

The same as `localfleet cost compare`; `--help` lists the options. Models come from models.yaml in this folder if there.
"""

from localfleet.cli.cost_compare import main

if __name__ == "__main__":
    main()
