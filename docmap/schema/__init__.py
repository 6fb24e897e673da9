"""What the lower levels know of a model: field types, converters, codecs, indexes, names."""
