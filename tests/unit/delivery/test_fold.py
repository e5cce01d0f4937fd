from hypothesis import given
from hypothesis import strategies as st
from situation import NOW, adds, backlog, fires, resolves

from itop_bridge.delivery.fold import MOST_NAMED, find_news, fold_told

owings = st.lists(
    st.tuples(
        st.sampled_from([fires, resolves, adds]),
        st.floats(NOW, NOW + 1000),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["low", "medium", "critical"]),
    ),
    max_size=60,
)


def made(drawn):
    return [
        make(seq, received=received, host=host, severity=severity)
        for seq, (make, received, host, severity) in enumerate(drawn, 1)
    ]


@given(owings)
def test_every_intent_is_counted_once(drawn):
    listed = made(drawn)
    folded = backlog(*listed)
    assert folded.count == len(listed)
    assert folded.resolved == sum(owing.kind == "resolve" for owing in listed)
    assert folded.is_empty == (not listed)


@given(owings)
def test_the_ends_are_those_of_the_intents(drawn):
    listed = made(drawn)
    folded = backlog(*listed)
    if listed:
        assert folded.first_received == min(owing.received for owing in listed)
        assert folded.last_received == max(owing.received for owing in listed)
        assert folded.last_seq == listed[-1].seq
        assert folded.ends_resolved == (listed[-1].kind == "resolve")


def test_the_lead_is_the_first_alert_that_deserves_an_incident():
    assert backlog(adds(1, title="minor"), fires(2, title="lead"), fires(3, title="later")).lead["title"] == "lead"


def test_the_most_urgent_alert_gives_urgency_and_impact():
    folded = backlog(fires(1, urgency=3), fires(2, urgency=1), fires(3, urgency=2))
    assert folded.urgency == 1


def test_a_resolve_makes_nothing_more_severe():
    assert backlog(fires(1, severity="low"), resolves(2, severity="critical")).severity == "low"


def test_names_and_samples_are_bounded():
    folded = backlog(*[fires(n, host=f"srv-{n}") for n in range(1, 500)])
    assert len(folded.samples) == MOST_NAMED
    assert len(folded.named[0]) == MOST_NAMED
    assert folded.count == 499


def test_what_the_log_says_already_is_no_news():
    folded = backlog(fires(1))
    assert find_news(folded, {}) == {"severity": ["high"], "host": ["srv-01"], "source": ["10.0.0.1"]}
    assert find_news(folded, fold_told({}, folded)) == {}


def test_a_worse_severity_a_resolve_and_a_new_host_are_news():
    told = fold_told({}, backlog(fires(1)))
    assert find_news(backlog(fires(1, severity="critical")), told) == {"severity": ["critical"]}
    assert find_news(backlog(resolves(1)), told) == {"state": ["resolved"]}
    assert find_news(backlog(fires(1, host="srv-02")), told) == {"host": ["srv-02"]}


def test_told_adds_up():
    told = fold_told(fold_told({}, backlog(fires(1), fires(2))), backlog(fires(3, host="srv-02")))
    assert told["count"] == 3
    assert told["host"] == ["srv-01", "srv-02"]
