"""`task=infobottleneck`: a classifier whose code forgets its input."""
