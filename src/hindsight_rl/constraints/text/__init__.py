"""What a checker reads off one response: words, sentences, tokens, markup, language."""
