"""What one picture may cost. Honest ones of 25 megapixels take under a second and 260 MB (docs/decisions.md)."""

# Of the processor, given or taken one: the kernel counts whole seconds.
CPU_SECONDS = 3
# By the clock, however busy the machine is.
WALL_SECONDS = 10.0
# Address space of the helper as a whole.
MEMORY_BYTES = 320 * 1024 * 1024
