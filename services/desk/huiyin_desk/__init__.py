"""Desk (处理, 复核, 归档): tickets in work, from acceptance to a satisfied customer."""
