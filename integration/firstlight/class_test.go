package firstlight_test

import (
	"testing"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

// class deploys two PCs by one order: the master goes over the wire once, by multicast, and both hold it.
func class(t *testing.T) {
	school := rig.Golden(t, "class")
	pcs := []*lab.PC{
		rig.Add(t, school, lab.Hardware{Name: "north", Firmware: lab.SecureBoot, Bus: lab.NVMe}),
		rig.Add(t, school, lab.Hardware{Name: "south", Firmware: lab.BIOS, Bus: lab.Virtio, NIC: "e1000"}),
	}
	for _, pc := range pcs {
		t.Log(describe(pc))
		rig.PowerOn(t, pc)
	}
	for _, pc := range pcs {
		code, err := school.Enrol(t.Context(), pc)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: code %s compared and approved", pc.Name, code)
	}
	id, err := school.DeployAll(t.Context(), "golden", pcs, "poweroff")
	if err != nil {
		t.Fatal(err)
	}
	for _, pc := range pcs {
		rig.Await(t, pc, `^ardoise: done deploy golden@1`, lab.WorkLimit)
		rig.Off(t, pc)
		phases(t, pc)
	}
	job, err := school.AllDone(t.Context(), id, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, pc := range pcs {
		holds(t, school, "golden@1", pc)
		divided(t, pc)
	}
	if job.Session == nil {
		t.Fatal("a job of two computers had no session")
	}
	s := *job.Session
	t.Logf("session: %d computers, %d bytes on the wire, %d of them repairs, %d by HTTPS", s.Joined, s.Sent, s.Repairs, s.HTTPS)
	for _, m := range s.Marks {
		t.Logf("session: %+v", m)
	}
	for _, x := range s.Samples {
		t.Logf("session: %+v", x)
	}
	var stored, most int64
	for _, task := range job.Tasks {
		r := task.Reception
		if r == nil {
			t.Fatalf("%s did not say how it came through the session", task.Computer)
		}
		t.Logf("%s: %+v", task.Computer, *r)
		most = max(most, r.Multicast)
		stored = max(stored, task.Outcome.StoredBytes)
	}
	if s.Joined != len(pcs) || s.Done != len(pcs) {
		t.Errorf("%d computers joined and %d were done, want %d", s.Joined, s.Done, len(pcs))
	}
	// How much comes so depends on how much of a core an emulated PC gets: what one cannot take comes to it by HTTPS. On a
	// quiet machine the wire carries 42 MB for a master of 41.
	if most < stored/2 {
		t.Errorf("no computer had more than %d bytes of %d by multicast", most, stored)
	}
	if s.Sent == 0 || s.Sent > 3*stored {
		t.Errorf("%d bytes went over the wire for a master of %d", s.Sent, stored)
	}
}
