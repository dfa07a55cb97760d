package main

import (
	"fmt"
	"runtime"
	"time"
)

// Scene is a room and what happens in it. The zero value of what a room does not have is none.
type Scene struct {
	Key      string `json:"key"`
	What     string `json:"what"`
	PCs      int    `json:"pcs"`                 // late ones included
	MiB      int    `json:"mib"`                 // of the disk
	Files    bool   `json:"files,omitempty"`     // it holds files of this machine; else bytes that cannot be compressed
	PCMbit   int    `json:"pc_mbit,omitempty"`   // port of every PC, where the row has its own
	Rate     int    `json:"rate,omitempty"`      // Mb/s that our sender is told to send, 0 for what it finds
	Loss     int    `json:"loss"`                // hundredths of a percent of all IP packets, at each PC
	SlowMbit int    `json:"slow_mbit,omitempty"` // port of the last PC
	Kill     bool   `json:"kill,omitempty"`      // the last PC dies when half is sent
	Late     int    `json:"late,omitempty"`      // so many of the last PCs come when 40 % is sent
	Upgrade  bool   `json:"upgrade,omitempty"`   // PCs hold version 1, version 2 is sent
	Flood    int    `json:"flood,omitempty"`     // forged packets a second
	Others   string `json:"others,omitempty"`    // why no other program plays

	bars bars
}

// bars is what a row promises; 0 promises nothing.
type bars struct {
	healthy float64 // of the last PC that is neither slow nor late nor dead, in wire limits
	slow    float64 // of the slow one, in limits of its own wire
	late    float64 // of the last late one, in wire limits
	air     float64 // bytes on air per byte of new frames
	frames  float64 // MB/s of frames on the wire, at least
	cores   float64 // processor seconds a second of the sender
}

// crowdMbit is the port of each of 32 PCs. Receivers decrypt, hash and write: 32 of them at 100 Mb/s need more than two
// cores, and would measure those.
func crowdMbit(cores int) int {
	if cores < 4 {
		return 50
	}
	return 100
}

// scenes is the table of the promise.
func scenes() []Scene {
	crowd := crowdMbit(runtime.NumCPU())
	return []Scene{
		{Key: "16-0.1", What: "16 PCs, 0.1 % loss each", PCs: 16, MiB: 128, Loss: 10, bars: bars{healthy: 1.10}},
		{Key: "16-1", What: "16 PCs, 1 % loss each", PCs: 16, MiB: 128, Loss: 100, bars: bars{healthy: 1.12}},
		{Key: "32-1", What: fmt.Sprintf("32 PCs, 1 %% loss each, %d Mb/s", crowd), PCs: 32, MiB: 128, Loss: 100, PCMbit: crowd, bars: bars{healthy: 1.15}},
		{Key: "slow", What: "16 PCs, one on a 20 Mb/s port", PCs: 16, MiB: 64, SlowMbit: 20,
			bars: bars{healthy: 1.12, slow: 1.2}},
		{Key: "killed", What: "16 PCs, one killed", PCs: 16, MiB: 64, Kill: true, bars: bars{healthy: 1.10}},
		{Key: "late", What: "16 PCs, 3 join at 40 %", PCs: 16, MiB: 128, Late: 3, Others: "impossible",
			bars: bars{healthy: 1.10, late: 2.10}},
		{Key: "upgrade", What: "version 2, PCs hold version 1", PCs: 16, MiB: 128, Upgrade: true, bars: bars{air: 1.1}},
		{Key: "gigabit-real", What: "1 Gb/s, 1 PC, a disk of files", PCs: 1, MiB: 2048, PCMbit: 1000, Files: true, Others: "-",
			bars: bars{frames: 105, cores: 0.4}},
		{Key: "gigabit-1", What: "1 Gb/s, 1 PC", PCs: 1, MiB: 1024, PCMbit: 1000, bars: bars{frames: 105, cores: 0.4}},
		{Key: "gigabit-2", What: "1 Gb/s, 2 PCs", PCs: 2, MiB: 1024, PCMbit: 1000},
		{Key: "gigabit-4", What: "1 Gb/s, 4 PCs", PCs: 4, MiB: 1024, PCMbit: 1000},
	}
}

// keyFlood and keyCurve are the rows that are no race.
const (
	keyFlood = "flood"
	keyCurve = "curve"
)

// rowKeys is what -rows knows.
func rowKeys() []string {
	var keys []string
	for _, s := range scenes() {
		keys = append(keys, s.Key)
	}
	return append(keys, keyFlood, keyCurve)
}

// gigabit tells whether the row is about the rate of the wire.
func (s Scene) gigabit() bool { return s.PCMbit >= 1000 && s.Rate == 0 }

// punctual is how many PCs are there from the start.
func (s Scene) punctual() int { return s.PCs - s.Late }

// slow tells whether a PC is the slow one.
func (s Scene) slow(i int) bool { return s.SlowMbit > 0 && i == s.PCs-1 }

// dies tells whether a PC is the one that dies.
func (s Scene) dies(i int) bool { return s.Kill && i == s.PCs-1 }

// late tells whether a PC comes late.
func (s Scene) late(i int) bool { return i >= s.punctual() }

// wireLimit is the least time for so many bytes at mbit megabits a second: 1,472 of the 1,538 bytes that a full packet of UDP
// takes on Ethernet are data (IEEE 802.3 with preamble and gap, RFC 791, RFC 768).
func wireLimit(bytes int64, mbit int) time.Duration {
	perSecond := float64(mbit) * 1e6 / 8 * 1472 / 1538
	return time.Duration(float64(bytes) / perSecond * float64(time.Second))
}
