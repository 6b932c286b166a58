"""What one function does on each of its ways: what it holds, leaves open, leaves in, raises or ties to itself."""
