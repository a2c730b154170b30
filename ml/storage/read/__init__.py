"""Read models: queries of the pages and the command line, one page or question a file."""
