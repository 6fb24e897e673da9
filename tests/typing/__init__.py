"""What type checkers must say of programs that use docmap."""
