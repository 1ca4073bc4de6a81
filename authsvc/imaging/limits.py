"""The limits for one picture. Honest ones of 25 megapixels take under a second and 260 MB (docs/decisions.md)."""

# CPU time, plus or minus one: the kernel counts whole seconds.
CPU_SECONDS = 3
# Real time, however busy the machine is.
WALL_SECONDS = 10.0
# Address space of the helper as a whole.
MEMORY_BYTES = 320 * 1024 * 1024
