"""Parts of Huiyin that no command of its own runs alone, as processes to be measured."""
