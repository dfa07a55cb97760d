package agent

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// The origins of a proof, as job.Proof tells them.
const (
	originMenu  = "menu"  // chosen by somebody at the computer
	originStart = "start" // the room's policy: at each start
	originTask  = "task"  // ordered through the server
)

// beginProof says what is about to be proven.
func (a *agent) beginProof(e *errand) error {
	id := make([]byte, 16)
	if _, err := io.ReadFull(a.PC.Random, id); err != nil {
		return fmt.Errorf("drawing the number of a proof: %w", err)
	}
	asked := e.t.Level
	if e.t.Kind == job.KindDeploy || asked == "" {
		asked = job.LevelFull
	}
	e.proof = job.Proof{ID: hex.EncodeToString(id), Task: e.t.ID, Master: e.t.Master, Version: e.t.Version, Manifest: e.t.Manifest,
		Level: job.LevelFull, Asked: asked, Origin: originTask, Clock: "server"}
	if a.trust.Time.IsZero() {
		e.proof.Clock = "pc"
	}
	return nil
}

// endProof says how it ended.
func (a *agent) endProof(e *errand, err error) {
	e.proof.At = a.now().UTC()
	e.proof.Ok = err == nil
	if err != nil {
		e.proof.Failure = err.Error()
		var f *FaultError
		if errors.As(err, &f) {
			e.proof.Failure = notices.Get(f.Code, f.Args...).What.EN
		}
	}
	done := e.proof
	e.p.proof = &done
}

// clean says at the end of a reset what it came to.
func (a *agent) clean(p *job.Proof) {
	seconds, megabytes := int64(p.Seconds+0.999), (p.Written+999_999)/1_000_000
	switch {
	case p.Skipped:
		a.Screen.Say(notices.ResetSkipped)
	case p.Written == 0:
		a.Screen.Say(notices.ResetNothing, (p.Read+999_999)/1_000_000, seconds)
	default:
		a.Screen.Say(notices.ResetDone, megabytes, seconds)
	}
}
