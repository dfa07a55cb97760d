package agent

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestASpoolGivesBackWhatItWasGivenAsOftenAsAsked(t *testing.T) {
	want := bytes.Repeat([]byte("a name and its number; "), 3*spoolPiece/20)
	var s spool
	for i, step := 0, 1; i < len(want); i, step = i+step, step*7%900_001+1 {
		step = min(step, len(want)-i)
		if n, err := s.Write(want[i : i+step]); n != step || err != nil {
			t.Fatalf("Write of %d bytes = %d, %v", step, n, err)
		}
	}
	for range 2 {
		var got bytes.Buffer
		if err := s.copyTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("copyTo = %v, %d bytes, want %d", err, got.Len(), len(want))
		}
	}
	r, w := io.Pipe()
	_ = r.CloseWithError(io.ErrNoProgress)
	if err := s.copyTo(w); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("copyTo a broken writer = %v", err)
	}
}
