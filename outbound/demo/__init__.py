"""The main job on real input, as `manage.py demo` shows it. Everything goes through the public doors: REST and MCP.

Read in this order: story.py (what happens), doors.py (how one asks), expectations.py (what must have come true).
"""
