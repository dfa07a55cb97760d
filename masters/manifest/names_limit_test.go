package manifest

import (
	"bytes"
	"errors"
	"testing"
)

// What a reader would refuse is not written: a table is found too large before it is signed.
func TestNamesHaveAnEnd(t *testing.T) {
	var out bytes.Buffer
	w := NewNamesWriter(&out)
	w.left = 3 * (maxRecord + 10)
	for i := range uint32(3) {
		if err := w.Add(Name{Stream: i, Path: string(rune('a'+i)) + "123456789"}); err != nil {
			t.Fatal(err)
		}
	}
	var invalid *InvalidError
	if err := w.Add(Name{Stream: 3}); !errors.As(err, &invalid) || invalid.Structure != "names table" {
		t.Errorf("Add beyond the limit = %v, want *InvalidError", err)
	}
	if _, _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := newBlockReader(bytes.NewReader(out.Bytes()), namesMagic, "names table", 40) // of 48 bytes of content
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := b.begin("NAME"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.next(); !errors.As(err, &invalid) || invalid.Reason != "larger than the limit" {
		t.Errorf("reading beyond the limit = %v, want *InvalidError", err)
	}
}
