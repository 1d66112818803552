"""The attacks that the foundation must refuse, against a running suite; `rows` says which test stands for which."""
