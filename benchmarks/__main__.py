"""python -m benchmarks [--full] [send tick …]: one line a claim, ending in ok or MISS. Status 1 when one misses."""

import argparse

from benchmarks import classify, send, tick

ALL = {"send": send.measure, "tick": tick.measure, "classify": classify.measure}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="at scale: takes longer")
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(ALL)}")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(ALL):
        parser.error(f"There is no {', '.join(sorted(unknown))}.")
    missed = 0
    for name in options.names or ALL:
        for claim in ALL[name](options.full):
            print(claim.line(), flush=True)
            missed += not claim.holds
    return min(missed, 1)


if __name__ == "__main__":
    raise SystemExit(main())
