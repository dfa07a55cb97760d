package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/fleet/sqlite"
)

func TestReportsOfSessionsAreKeptForAWhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ardoise.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 302; n++ {
		for _, doc := range []string{`{"n":0}`, fmt.Sprintf(`{"n":%d}`, n)} {
			if err := s.KeepSession(t.Context(), fmt.Sprint(n), []byte(doc)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.KeepSession(t.Context(), "no number", nil); err == nil {
		t.Error("a session that is no job's is kept")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = sqlite.Open(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for id, want := range map[string]string{"1": "", "2": "", "3": `{"n":3}`, "302": `{"n":302}`, "303": "", "x": ""} {
		if got, err := s.SessionDoc(t.Context(), id); err != nil || string(got) != want {
			t.Errorf("session %s is kept as %q, %v; want %q", id, got, err, want)
		}
	}
}
