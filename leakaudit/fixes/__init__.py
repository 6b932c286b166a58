"""Changes of the source that mend findings, one file each: LibCST in, a Fix out. Imported only when one is asked for."""
