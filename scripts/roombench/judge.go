package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// judge stops everything, compares the disks and reckons the times.
func (t *take) judge(ctx context.Context) (run Run, err error) {
	run.GaveUp = !t.over() && !t.deserted()
	if run.Flooded, err = t.flood.end(); err != nil {
		return run, err
	}
	after, err := t.counter.Bytes()
	if err != nil {
		return run, err
	}
	run.Sent = after - t.before
	t.end()
	run.Said, run.PCSaid = lastJSON(t.said.all()), lastJSON(t.pcs[0].said.all())
	own, kernel := t.server.CPU()
	run.ServerCPU, run.ServerKernel = (own + kernel).Seconds(), kernel.Seconds()
	if err := t.keepLogs(); err != nil {
		return run, err
	}
	if t.first.IsZero() {
		return run, fmt.Errorf("%s sent no data: %s", t.sys.name, start(string(t.complain.all())))
	}
	run.Wait = t.first.Sub(t.began).Seconds()
	run.Wire = rate(t.samples, run.Sent, t.content())
	if t.scene.Loss > 0 {
		came, lost, err := t.room.Lost(ctx, 0)
		if err != nil {
			return run, err
		}
		run.Lost = float64(lost) / float64(max(came, 1))
	}
	for i := range t.pcs {
		if err := t.judgePC(i, &run); err != nil {
			return run, err
		}
	}
	if run.Complete == 0 || run.GaveUp {
		run.Seconds = t.b.limit.Seconds()
	}
	return run, ctx.Err()
}

// judgePC looks at one disk.
func (t *take) judgePC(i int, run *Run) error {
	pc := t.pcs[i]
	var e struct {
		changed, left time.Time // its disk, its program
		equal         bool      // its disk is the master
	}
	if pc.program != nil {
		own, kernel := pc.program.CPU()
		run.PCsCPU += (own + kernel).Seconds()
		run.PCsKernel += kernel.Seconds()
		pc.mu.Lock()
		e.left = pc.left
		pc.mu.Unlock()
	}
	if !t.scene.dies(i) {
		run.Expected++
	}
	if info, err := os.Stat(pc.disk); err == nil {
		e.changed = info.ModTime()
		if e.equal, err = sameBytes(pc.disk, t.image.disks[t.scene.version()]); err != nil {
			return err
		}
	}
	if t.scene.dies(i) {
		return nil
	}
	seconds := 0.0
	if e.equal && pc.program.Err() == nil {
		run.Complete++
		seconds = e.changed.Sub(t.first).Seconds()
		run.Rest = max(run.Rest, e.left.Sub(e.changed).Seconds())
	}
	switch {
	case t.scene.slow(i):
		run.Slow = seconds
	case t.scene.late(i):
		run.Late = max(run.Late, seconds)
	default:
		run.Seconds = max(run.Seconds, seconds)
	}
	return nil
}

// keepLogs writes what the programs of the last run said into the folder of logs.
func (t *take) keepLogs() error {
	if err := os.MkdirAll(t.b.logs, 0o755); err != nil {
		return err
	}
	name := func(who string) string { return filepath.Join(t.b.logs, t.scene.Key+"-"+t.sys.name+"-"+who+".log") }
	err := errors.Join(os.WriteFile(name("server"), t.said.all(), 0o644), os.WriteFile(name("errors"), t.complain.all(), 0o644))
	for i, pc := range t.pcs {
		err = errors.Join(err, os.WriteFile(name(fmt.Sprintf("pc%d", i)), pc.said.all(), 0o644))
	}
	return err
}

// start is what a person needs of a long complaint.
func start(said string) string { return said[:min(len(said), 2000)] }

// content is how many bytes of frames, or of the disk where there are no frames, one pass carries.
func (t *take) content() int64 {
	if t.sys.name == oursName {
		return t.image.fresh[t.scene.version()]
	}
	return t.image.size()
}

// rate is what the sender did between a tenth and nine tenths of what it sent in all; nil when that went by too fast.
func rate(samples []sample, sent, content int64) *wireRate {
	if len(samples) < 10 {
		return nil
	}
	var from, to *sample
	for i := range samples {
		if from == nil && samples[i].sent >= sent/10 {
			from = &samples[i]
		}
		if samples[i].sent <= sent*9/10 {
			to = &samples[i]
		}
	}
	if from == nil || to == nil || !to.at.After(from.at) {
		return nil
	}
	seconds := to.at.Sub(from.at).Seconds()
	port := float64(to.sent-from.sent) / seconds
	return &wireRate{Port: port, Frames: port * float64(content) / float64(sent), Cores: (to.cpu - from.cpu).Seconds() / seconds}
}

// lastJSON is the last line of what a program printed, when that is JSON.
func lastJSON(said []byte) json.RawMessage {
	lines := bytes.Split(bytes.TrimSpace(said), []byte{'\n'})
	if last := lines[len(lines)-1]; json.Valid(last) && len(last) > 0 {
		return json.RawMessage(last)
	}
	if whole := bytes.TrimSpace(said); json.Valid(whole) && len(whole) > 0 {
		return json.RawMessage(whole)
	}
	return nil
}

// processorTime is what a process has used so far, in ticks of 10 ms (proc(5), stat); 0 when it is gone.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may hold spaces
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	if errUser != nil || errSystem != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
