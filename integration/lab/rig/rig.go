package rig

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
)

// offLimit is how long an emulated PC may take to switch itself off.
const offLimit = 2 * time.Minute

// Golden raises a school whose library holds the golden master as golden@1, with its daemon running, as lab.OpenGolden
// does. What the capture printed goes to the test's log.
func Golden(t *testing.T, name string) *lab.School {
	t.Helper()
	school, said, err := lab.OpenGolden(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	CloseAtEnd(t, school)
	t.Log(strings.TrimSpace(said))
	return school
}

// CloseAtEnd tears a school down when the test is over.
func CloseAtEnd(t *testing.T, school *lab.School) {
	t.Helper()
	t.Cleanup(func() {
		if err := school.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Add puts a PC into the school until the test is over.
func Add(t *testing.T, school *lab.School, h lab.Hardware) *lab.PC {
	t.Helper()
	pc, err := school.AddPC(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && pc.On() {
			// Best effort: the test has failed already, and says why.
			_ = pc.Screenshot(context.Background(), filepath.Join(school.Logs, pc.Name+".png"))
		}
		pc.PowerCut()
	})
	return pc
}

// PowerOn switches a PC on.
func PowerOn(t *testing.T, pc *lab.PC) {
	t.Helper()
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Await waits for a line of a PC that matches the pattern, after the one that was waited for last.
func Await(t *testing.T, pc *lab.PC, pattern string, limit time.Duration) lab.Line {
	t.Helper()
	line, err := pc.Wait(t.Context(), pattern, limit)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// Off waits until a PC has switched itself off.
func Off(t *testing.T, pc *lab.PC) {
	t.Helper()
	if err := pc.WaitOff(t.Context(), offLimit); err != nil {
		t.Fatal(err)
	}
}

// Look keeps a picture of what stands on a PC's screen: PC-NAME.png beside the logs. Without one the test fails, and goes
// on.
func Look(t *testing.T, school *lab.School, pc *lab.PC, name string) {
	t.Helper()
	if err := pc.Screenshot(t.Context(), filepath.Join(school.Logs, pc.Name+"-"+name+".png")); err != nil {
		t.Error(err)
	}
}
