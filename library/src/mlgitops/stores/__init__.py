"""Where the objects behind the hashes are: what Git expects, what a store has, moving, removing."""
