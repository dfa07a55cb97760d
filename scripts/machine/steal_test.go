package machine

import "testing"

func TestParseSpent(t *testing.T) {
	got, err := parseSpent("cpu  100 20 30 400 50 6 7 8 90 10")
	if err != nil || got != (Spent{All: 621, Stolen: 8}) {
		t.Errorf("parseSpent = %+v, %v; guest time lies in that of users", got, err)
	}
	for _, line := range []string{"", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3", "cpu 1 2 3 4 5 6 7 x"} {
		if got, err := parseSpent(line); err == nil {
			t.Errorf("parseSpent(%q) = %+v", line, got)
		}
	}
}

func TestStolenSince(t *testing.T) {
	if now, err := Now(); err != nil || now.All <= 0 {
		t.Fatalf("Now = %+v, %v", now, err)
	}
	if got := StolenSince(Spent{}); got < 0 || got > 1 {
		t.Errorf("%v of the time since the start was stolen", got)
	}
	if got := StolenSince(Spent{All: 1 << 62}); got != 0 {
		t.Errorf("%v was stolen in no time", got)
	}
}
