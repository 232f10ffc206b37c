from .dog import Dog
from .deep.fish import bubbles
def speak(): return "meow, not " + Dog().speak() + bubbles()
