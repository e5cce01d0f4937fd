"""What operators ask of a daemon or of its journal: the operations, and the two doors to them."""
