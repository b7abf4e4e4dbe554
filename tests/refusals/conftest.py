import sys
from pathlib import Path

# The small plans of the runner's tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "runner"))
