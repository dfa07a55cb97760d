package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/masters"
)

func TestWorksOnTheStoreOfARunningDaemon(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	for _, verb := range []string{"stats", "gc", "scrub", "recompress", "rebuild-index", "check"} {
		raw, err := s.client.Store(ctx, verb, access.StoreOrder{Rate: 1 << 30, Content: true}, func(string, int64, int64) {})
		if err != nil || !json.Valid(raw) {
			t.Errorf("%s = %s, %v", verb, raw, err)
		}
	}
	raw, err := s.client.Store(ctx, "check", access.StoreOrder{}, func(string, int64, int64) {})
	var f masters.Found
	if err := errors.Join(err, json.Unmarshal(raw, &f)); err != nil || !f.Sound() {
		t.Errorf("check = %s, %v", raw, err)
	}
	_, err = s.client.Store(ctx, "burn", access.StoreOrder{}, func(string, int64, int64) {})
	wantCode(t, "an unknown work", err, 404, "no-route")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.client.Store(gone, "scrub", access.StoreOrder{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a work nobody waits for = %v", err)
	}
}
