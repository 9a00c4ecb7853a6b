"""Random damage to the content of files: flipped and overwritten bytes, lost ends, inserted and removed parts."""

from hypothesis import strategies as st


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """The content with one to three faults."""
    for _ in range(draw(st.integers(1, 3))):
        size = len(content)
        place = draw(st.integers(0, max(0, size - 1)))
        # The start and the end hold the structure of most formats.
        place = draw(st.sampled_from([place, min(place, 64), max(0, size - 1 - place % 256)]))
        fault = draw(st.sampled_from(["flip", "overwrite", "cut off", "insert", "remove", "repeat"]))
        length = draw(st.integers(1, 64))
        if fault == "flip" and size:
            changed = bytearray(content)
            changed[place] ^= draw(st.integers(1, 255))
            content = bytes(changed)
        elif fault == "overwrite":
            content = content[:place] + draw(st.binary(min_size=1, max_size=64)) + content[place + length :]
        elif fault == "cut off":
            content = content[:place]
        elif fault == "insert":
            content = content[:place] + draw(st.binary(min_size=1, max_size=64)) + content[place:]
        elif fault == "remove":
            content = content[:place] + content[place + length :]
        elif fault == "repeat":
            content = content[:place] + content[place : place + length] + content[place:]
    return content
