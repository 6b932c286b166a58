"""The language server: what a scan finds, in an editor, while the file is being written."""
