"""From signed blocks to sealed series: columns, what a bundle says, blocks' encryption, keys wrapped for readers."""
