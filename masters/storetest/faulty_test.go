package storetest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

func TestFaultyFailsAsItIsToldAndIsAStoreOtherwise(t *testing.T) {
	open := func(t *testing.T) *storetest.Faulty {
		s, err := store.Open("/", store.Options{FS: storetest.NewDisk().FS()})
		if err != nil {
			t.Fatal(err)
		}
		return &storetest.Faulty{Session: s.Begin(), Source: s}
	}
	storetest.Run(t, func(t *testing.T) (storetest.Session, storetest.Source) {
		f := open(t)
		return f, f
	})
	f, ctx, wrong := open(t), context.Background(), errors.New("wrong")
	ids, frames := storetest.Frames(t, 4, 1)
	for _, m := range []storetest.Method{storetest.Missing, storetest.Put, storetest.Flush, storetest.Fetch} {
		f.Fail(m, nil, wrong)
	}
	got := 0
	for i := range 3 {
		_, missing := f.Missing(ctx, ids)
		errs := []error{missing, f.Put(ctx, frames), f.Flush(ctx), f.Fetch(ctx, ids, func(chunk.Frame) error { got++; return nil })}
		for m, err := range errs {
			if (i == 1) != errors.Is(err, wrong) {
				t.Errorf("call %d of method %d = %v", i, m, err)
			}
		}
	}
	if got != 4+2+4 || f.Calls(storetest.Put) != 3 {
		t.Errorf("%d frames, %d calls of Put", got, f.Calls(storetest.Put))
	}
}
