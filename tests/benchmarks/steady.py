"""How steady the machine itself is: what a p99 measured here can be expected to show.

Usage: python -m tests.benchmarks.steady. A loop that only counts runs for some seconds; on a machine of its own each
window of 10 ms counts about as far as the others. A shared one has slow windows, in which everything takes longer.
"""

import time

SECONDS, WINDOW = 5.0, 0.01


def windows() -> list[int]:
    """How far each window counted."""
    found = []
    end = time.perf_counter() + SECONDS
    while (now := time.perf_counter()) < end:
        count = 0
        while time.perf_counter() < now + WINDOW:
            count += 1
        found.append(count)
    return sorted(found)


def main() -> None:
    """Print the share of windows that were slow, and how slow the slowest hundredth was."""
    found = windows()
    usual = found[len(found) // 2]
    slow = sum(count < usual / 2 for count in found) / len(found)
    worst = usual / max(found[len(found) // 100], 1)
    print(f"the machine: {slow:.1%} of windows of 10 ms at under half of the usual speed, 1% {worst:.1f} times slower")


if __name__ == "__main__":
    main()
