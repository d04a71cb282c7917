"""What we claim about speed, each claim a command: `make bench` (minutes), `make bench-full` (at scale).

A claim measures us, a limit that has a name, and a peer, one after the other in every round of one run, and is judged
by the median of the rounds' ratios: a busy machine slows all of them. CPU is what the
processes used, the database's too.
"""
