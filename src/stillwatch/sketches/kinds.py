"""What a scanned word is, packed in one byte: kind and length."""

PLAIN, NUMBER, ID, PATH, QUOTED, CODE = range(6)
KIND_MASK = 7  # low three bits: the kind
LENGTH_SHIFT = 4  # bits 4 to 7: length in characters, at most 15
LONGEST = 15
BIGRAM_LENGTH = 6  # a bigram of unspaced characters weighs as a word of six letters
