"""The schema level: codecs, values, operands, indexes, and the names of the old page."""
