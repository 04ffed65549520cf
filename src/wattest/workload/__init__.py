"""The WASM engine, its guest ABI and the codecs of the guests."""
