"""Pictures from outside: checked before they are decoded, and decoded in a separate process.

``lane.py`` is the queue of a worker: a picture waits five seconds at most. ``helper.py`` sends it through a
socket to the helper process (``__main__.py``), which starts with the first picture; other requests continue meanwhile.
The helper takes the picture apart (``jpeg.py``, ``png.py``, ``webp.py``) and counts scans, segments, chunks and pixels.
Within the limits it reassembles a file with nothing but the pixels, decodes only that, and redraws it (``drawing.py``).
``limits.py`` says what one picture may use: the kernel kills a helper that uses more, and the next picture starts one.
"""
