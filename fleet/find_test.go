package fleet_test

import "testing"

func TestAnIDIsNobodyElsesName(t *testing.T) {
	h := newHouse(t)
	a, b := h.enrol("k1", "S104-01", hello(1)), h.enrol("k2", "S104-02", hello(2))
	if _, err := h.Rename(t.Context(), b.ID, a.ID); err != nil {
		t.Fatal(err)
	}
	if c, err := h.Find(a.ID); err != nil || c.ID != a.ID {
		t.Errorf("%s is found as %s, %v", a.ID, c.ID, err)
	}
}
