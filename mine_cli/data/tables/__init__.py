"""A user's tables: files of arrays and columns, read, checked and coded."""

from typing import Any

import numpy as np

__all__ = ["Array", "Columns"]

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]
