package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnUpdateIsWhatANewPackageDoesToAFile(t *testing.T) {
	text := []byte(strings.Repeat("one line of a text\n", 1000))
	program := make([]byte, 10_000)
	for name, c := range map[string]struct {
		before []byte
		right  func(after []byte) bool
	}{
		"a text gets a line more and keeps the others": {text, func(after []byte) bool {
			third := len(text) / 3
			return len(after) > len(text) && bytes.HasPrefix(after, text[:third]) && bytes.HasSuffix(after, text[third:])
		}},
		"a program changes in each page and keeps its size": {program, func(after []byte) bool {
			return len(after) == len(program) && after[64] != 0 && after[64+4096] != 0 && after[64+8192] != 0 &&
				bytes.Count(after, []byte{0}) == len(program)-3
		}},
		"an empty file becomes a line": {nil, func(after []byte) bool { return bytes.Count(after, []byte("\n")) == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, c.before, 0o640); err != nil {
				t.Fatal(err)
			}
			if err := update(path); err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(path)
			info, statErr := os.Stat(path)
			if err != nil || statErr != nil || !c.right(after) || info.Mode() != 0o640 {
				t.Errorf("%v, %v, mode %v, %d bytes: %.40q", err, statErr, info.Mode(), len(after), after)
			}
		})
	}
}

func TestContendersTakeTurnsAndTheMedianCounts(t *testing.T) {
	order := filepath.Join(t.TempDir(), "order")
	a, b := shell("a", "echo a >>"+order), shell("b", "echo b >>"+order)
	if err := race(context.Background(), a, b); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(order)
	want := "a\nb\n" + strings.Repeat("b\na\na\nb\n", (turns-1)/2)
	switch ran := len(a.walls) + len(b.walls) + a.again + b.again; {
	case err != nil || len(a.walls) != turns || len(b.walls) != turns || len(got) != 2*ran:
		t.Errorf("a counts %d times and b %d, %d and %d were thrown away, and %q was written, %v", len(a.walls), len(b.walls), a.again, b.again, got, err)
	case a.again+b.again == 0 && string(got) != want:
		t.Errorf("the order was %q; want %q", got, want)
	}
	order += "-long"
	a, b = shell("a", "echo a >>"+order), shell("b", "sleep 1.1; echo b >>"+order)
	if err := race(context.Background(), a, b); err != nil || len(a.walls) != turns || len(b.walls) != repeats {
		t.Errorf("a short program counts %d times, one of more than a second %d: %v", len(a.walls), len(b.walls), err)
	}
	if got := median([]float64{9, 1, 2}); got != 2 {
		t.Errorf("the median of 9, 1, 2 is %v", got)
	}
	if err := race(context.Background(), shell("c", "false | true")); err == nil {
		t.Error("a pipe whose first program fails was measured")
	}
}
