"""What the operating system tells about processes; knows nothing of Python heaps."""
