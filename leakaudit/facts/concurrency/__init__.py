"""Tasks, threads, queues and streams that nobody ends, drains or waits for."""
