"""Programs with and without typing errors."""
