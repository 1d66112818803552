"""Intake (接收): takes every feedback in, once, and stores it before it answers."""
