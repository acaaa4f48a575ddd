"""One file per stage, each a sentence: what it loads, what it has made of it, what it stores."""
