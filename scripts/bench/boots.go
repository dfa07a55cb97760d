package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
)

// Boot is one power-on.
type Boot struct {
	Firmware   lab.Firmware `json:"firmware"`
	LossPerMil float64      `json:"loss_per_mil"`
	Seconds    float64      `json:"seconds"` // power-on to the agent's first report; 0 when it never came
}

// The promises, under emulation with one PC on a quiet machine: seconds to the first report by basis points of loss. With
// 2 % a PC only has to get there.
const (
	promisedQuiet = 45
	promisedLossy = 60
)

// boots measures the way from power-on to the agent.
func boots(ctx context.Context, school *lab.School, result *Result) error {
	fmt.Printf("\n%-12s %8s %12s   %s\n", "firmware", "loss", "agent after", "points on the way")
	for _, firmware := range []lab.Firmware{lab.BIOS, lab.SecureBoot} {
		for _, basisPoints := range []int{0, 50, 200} {
			if err := boot(ctx, school, result, firmware, basisPoints); err != nil {
				return err
			}
		}
	}
	return school.Lose(ctx, 0)
}

// boot measures one power-on.
func boot(ctx context.Context, school *lab.School, result *Result, firmware lab.Firmware, basisPoints int) error {
	name := fmt.Sprintf("%s-%d", firmware, basisPoints)
	pc, err := school.AddPC(ctx, lab.Hardware{Name: name, Firmware: firmware})
	if err != nil {
		return err
	}
	if err := school.Lose(ctx, basisPoints); err != nil {
		return err
	}
	if err := pc.PowerOn(ctx); err != nil {
		return err
	}
	defer pc.PowerCut()
	line, err := pc.Wait(ctx, `^ardoise: agent `, 10*time.Minute)
	b := Boot{Firmware: firmware, LossPerMil: float64(basisPoints) / 10}
	if err == nil {
		b.Seconds = line.At.Seconds()
	} else if ctx.Err() != nil {
		return ctx.Err()
	}
	points := lab.PhaseLine(lab.Phases(pc.Lines()))
	fmt.Printf("%-12s %6.1f %% %10.1f s   %s\n", firmware, float64(basisPoints)/100, b.Seconds, points)
	result.Boots = append(result.Boots, b)
	result.Phases = append(result.Phases, [2]string{name, points})
	result.judge(name, b, basisPoints)
	return nil
}

// judge compares a boot with what was promised.
func (r *Result) judge(name string, b Boot, basisPoints int) {
	limit := map[int]float64{0: promisedQuiet, 50: promisedLossy, 200: 600}[basisPoints]
	if b.Seconds == 0 || b.Seconds > limit {
		r.Missed = append(r.Missed, fmt.Sprintf("%s: agent after %.1f s, promised %.0f s", name, b.Seconds, limit))
	}
}

// Deployed is one deployment over the network.
type Deployed struct {
	What    string  `json:"what"`
	Read    int64   `json:"read_bytes"`
	Written int64   `json:"written_bytes"`
	Fetched int64   `json:"stored_bytes"`
	Seconds float64 `json:"seconds"`
}

// deploys puts the golden master onto an empty disk, and then once more.
func deploys(ctx context.Context, school *lab.School, result *Result) error {
	pc, err := school.AddPC(ctx, lab.Hardware{Name: "twice", Firmware: lab.SecureBoot})
	if err != nil {
		return err
	}
	if err := pc.PowerOn(ctx); err != nil {
		return err
	}
	defer pc.PowerCut()
	if _, err := school.Enrol(ctx, pc); err != nil {
		return err
	}
	fmt.Printf("\n%-24s %12s %12s %12s %9s\n", "deploy", "read", "written", "fetched", "seconds")
	for _, what := range []string{"onto an empty disk", "onto the same disk again"} {
		job, err := school.Deploy(ctx, "golden", pc, "stay")
		if err != nil {
			return err
		}
		task, err := school.Done(ctx, job, lab.WorkLimit)
		if err != nil {
			return err
		}
		o := task.Outcome
		d := Deployed{What: what, Read: o.ReadBytes, Written: o.WrittenBytes, Fetched: o.StoredBytes, Seconds: o.Seconds}
		fmt.Printf("%-24s %12d %12d %12d %9.1f\n", d.What, d.Read, d.Written, d.Fetched, d.Seconds)
		result.Deploys = append(result.Deploys, d)
	}
	if again := result.Deploys[len(result.Deploys)-1]; again.Written != 0 {
		result.Missed = append(result.Missed, fmt.Sprintf("the second deployment wrote %d bytes, promised 0", again.Written))
	}
	return nil
}
