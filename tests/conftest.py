"""What holds for every test.

Tests run side by side, one process for each core: one thread of arithmetic for each
is enough, in the programs that they start as well. Set before torch is imported.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
