package main

import (
	"strings"
	"testing"

	"github.com/ardoise/ardoise/integration/lab"
)

// A row says how far its PC is, whatever the agent says beside its steps.
func TestARowSaysHowFarItsPCIs(t *testing.T) {
	for _, c := range []struct {
		lines   string
		percent int
		what    string
	}{
		{"", 0, "power on"},
		{"Linux version 6.12", 0, "kernel starts"},
		{"Linux version 6.12|ardoise: agent 1.0", 0, "the agent runs"},
		{"Linux version 6.12|ardoise: agent 1.0|ardoise: code 123456", 0, "shows its code, waits for approval"},
		{"ardoise: step manifest|ardoise: step manifest done|ardoise: step restore", 0, "receives with its room, and writes"},
		{"ardoise: step manifest done|ardoise: step restore 13 %|ardoise: session: this switch sends multicast", 13, "receives with its room, and writes"},
		{"ardoise: step restore|ardoise: phase verify|ardoise: step restore 98 %|ardoise: session: over", 98, "reads everything back"},
		{"ardoise: step boot|ardoise: notice staging", 0, "makes the disk bootable"},
		{"ardoise: step stage 40 %|ardoise: start menu written", 40, "keeps a copy for resets without the network"},
		{"ardoise: step stage 40 %|ardoise: ending disk", 0, "restarts into its own system"},
		{"ardoise: step stage 40 %|ardoise: ending disk|Linux version 6.12|ardoise: agent 1.0", 0, "the agent runs"},
		{"ardoise: failed reading the disk", 0, "ardoise: failed reading the disk"},
	} {
		var lines []lab.Line
		for text := range strings.SplitSeq(c.lines, "|") {
			lines = append(lines, lab.Line{Text: text})
		}
		if percent, what := progress(lines); percent != c.percent || what != c.what {
			t.Errorf("after %q: %d %% %q, want %d %% %q", c.lines, percent, what, c.percent, c.what)
		}
	}
}
