"""Instructions: the parser, the library of known ones, the instruction buffer."""
