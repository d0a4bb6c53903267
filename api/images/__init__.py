"""The validation image of each run: the base image with the run's parameters in it, at an address of its own."""

from api.images.minted import FILE_NAME, Images, KnownImage

__all__ = ["FILE_NAME", "Images", "KnownImage"]
