print("package", __name__, __package__)
from .dog import Dog
from . import cat
__all__ = ["Dog", "cat", "late"]
