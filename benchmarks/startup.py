"""How long `itop-bridge --help` takes, beside `python -c pass`, in turns.

    python benchmarks/startup.py [ROUNDS]

The promise: under 0.25 s on an idle core. It is kept by loading what is heavy only where it is used.
"""

import statistics
import subprocess
import sys
import time

BUDGET_S = 0.25
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "itop-bridge --help": [sys.executable, "-m", "itop_bridge.cli.main", "--help"],
    "itop-bridge person-get --help": [sys.executable, "-m", "itop_bridge.cli.main", "person-get", "--help"],
}


def measure(command):
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    measured = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            measured[name].append(measure(command))
    medians = {name: statistics.median(times) for name, times in measured.items()}
    least = medians["python -c pass"]
    for name, median in medians.items():
        print(f"{name:<30} {median * 1000:6.0f} ms  {median / least:5.1f} x")
    helped = medians["itop-bridge --help"]
    print(f"budget {BUDGET_S * 1000:.0f} ms: {'kept' if helped < BUDGET_S else 'exceeded'}")
    return 0 if helped < BUDGET_S else 1


if __name__ == "__main__":
    sys.exit(main())
