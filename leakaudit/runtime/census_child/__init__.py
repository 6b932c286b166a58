"""The census: runs in a forked copy of the target, where walking the whole heap disturbs nobody.

The copy imports this package from the channel's folder `lib`, where objgraph and pympler lie too; what it finds is one
JSON file.
"""
