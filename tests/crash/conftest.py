import sys
from pathlib import Path

# The small plans of the runner's tests; the fork server finds `fake_cloud` by the path of this directory.
sys.path.insert(0, str(Path(__file__).parents[1] / "runner"))
