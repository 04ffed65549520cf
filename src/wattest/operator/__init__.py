"""The operator: takes blocks in, has periods sealed, commits, answers challenges, serves what it keeps."""
