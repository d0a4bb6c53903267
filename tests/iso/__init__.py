"""The builder of the validation image, and what it builds."""
