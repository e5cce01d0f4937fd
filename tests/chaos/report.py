"""What a run did and what was found, in words."""

from collections import Counter

from judge import Kinds

_PROMISED = (Kinds.LOST, Kinds.DUPLICATED, Kinds.DISORDERED)
_MOST_SHOWN = 30


def describe_run(run, findings):
    """What it did, and the numbers that have to be 0."""
    mentions = [each for letter in run.letters for each in letter.mentions]
    fates = Counter(row.fate for event in run.events for row in event.rows)
    found = Counter(each.kind for each in findings)
    lines = [
        f"Kills     {run.kills} ({run.early_kills} before it was ready), broker restarts {run.tormentor.restarts}",
        f"Faults    {_count(run.tormentor.hits())}",
        f"People    {_count(Counter(each.verb for each in run.witness.deeds))}",
        f"Sent      {sum(each.sent for each in run.letters)} messages, {len(mentions)} different alerts: "
        + _count(Counter(str(each.kind) for each in mentions)),
        f"Journal   {len(run.events)} messages: {_count(fates)}",
        f"iTop      {len(run.incidents)} incidents, {len(run.simulator.calls)} calls: "
        + _count(Counter(each.stimulus or each.operation.removeprefix("core/") for each in run.witness.writes)),
        f"Doubts    {_count(Counter(run.doubts))}",
        f"Time      {run.seconds:.0f} s, of which {run.settling_s:.0f} s to settle",
        ", ".join(f"{kind} {found[kind]}" for kind in _PROMISED) if run.is_judged else "not judged",
    ]
    rest = [f"{kind} {found[kind]}" for kind in Kinds if found[kind] and kind not in _PROMISED]
    return "\n".join(lines + rest)


def describe_failure(findings, folder, args):
    """What must not be, and where to look."""
    lines = [str(each) for each in findings[:_MOST_SHOWN]]
    if len(findings) > _MOST_SHOWN:
        lines.append(f"and {len(findings) - _MOST_SHOWN} more")
    lines.append(f"Kept: {folder} (journal.db, daemon.log, mosquitto/, timeline.txt)")
    lines.append(f"Again: make chaos KILLS={args.kills} SEED={args.seed}")
    return "\n".join(lines)


def describe_timeline(run):
    """Kills, faults, acts of people, and what the bridge's calls changed, in order."""
    lines = run.timeline + [
        (each.at, f"iTop: {each.stimulus or each.operation} on incident {each.incident} [sb:{each.token}]")
        for each in run.witness.writes
    ]
    return "".join(f"{at:.3f} {text}\n" for at, text in sorted(lines))


def _count(counted):
    return ", ".join(f"{name} {times}" for name, times in counted.most_common()) or "none"
