"""Documents: the classes that users write, and the expressions made of their fields."""
