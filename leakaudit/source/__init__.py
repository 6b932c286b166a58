"""Find, read and classify Python source files; knows nothing of rules."""

from leakaudit.source.classify import is_fixture_path, is_generated, is_test_path
from leakaudit.source.discover import Discovery, discover
from leakaudit.source.read import MAX_BYTES, SourceFile, decode, encoding_of, read_source
from leakaudit.source.write import write_source

__all__ = [
    "MAX_BYTES",
    "Discovery",
    "SourceFile",
    "decode",
    "discover",
    "encoding_of",
    "is_fixture_path",
    "is_generated",
    "is_test_path",
    "read_source",
    "write_source",
]
