package startmenu_test

import (
	"strings"
	"testing"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

// TestMenuFromTheNetwork is a menu room whose PCs come by the network, as before their first deployment: they are shown the
// menu that their disk would show, and what is chosen starts the agent from the server.
func TestMenuFromTheNetwork(t *testing.T) {
	school := rig.Golden(t, "startmenu-network")
	order := func(words ...string) {
		t.Helper()
		if out, err := school.Order(t.Context(), words...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	order("room", "set", "S104", "--reset", "demand", "--menu", "on")
	for _, h := range []lab.Hardware{
		{Name: "network-bios", Firmware: lab.BIOS},
		{Name: "network-secureboot", Firmware: lab.SecureBoot},
	} {
		t.Run(h.Name, func(t *testing.T) {
			pc := rig.Add(t, school, h)
			rig.PowerOn(t, pc)
			if _, err := school.Enrol(t.Context(), pc); err != nil {
				t.Fatal(err)
			}
			order("computer", "room", pc.Name, "S104")
			rig.Await(t, pc, `enrolled`, lab.BootLimit)
			pc.PowerCut()

			shown := powerOn(t, pc)
			drawn(t, pc)
			t.Logf("%s: menu from the network %.1f s after power-on", pc.Name, shown.At.Seconds())
			// The PC has no version to go back to: the one entry starts the disk, which is empty.
			press(t, pc, "ret")
			if h.Firmware == lab.BIOS { // what the menu of a UEFI PC says stands on its screen alone
				rig.Await(t, pc, `invalid signature`, menuLimit)
			}
			for _, line := range pc.Lines() {
				if strings.Contains(line.Text, "ardoise.wish") {
					t.Errorf("the agent was started: %s", line.Text)
				}
			}
		})
	}
}
