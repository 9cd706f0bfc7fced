"""What tests share."""

from harness.backends.devices import start_jax

# Before any test's first JAX array: on a CPU results depend on the number of threads, and runs refuse another than one.
start_jax()
