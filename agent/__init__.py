"""The program inside the validation image. Standard library only; it imports nothing of the project."""
