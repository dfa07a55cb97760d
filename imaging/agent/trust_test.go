package agent_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/ardoise/ardoise/imaging/agent"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

func TestAKeyThatWasReplacedWhileThePCWaited(t *testing.T) {
	for name, told := range map[string]bool{"and the server says so": true, "and the server knows nothing of it": false} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t)
			address := p.server.Start("127.0.0.1:0")
			t.Cleanup(p.server.Close)
			p.order(func(*job.Task) { // the PC has asked what to trust, and said hello
				if !told {
					p.server.Trust = &job.Trust{SigningKeys: []string{p.server.PublicKey()}}
				}
				_, fresh, err := ed25519.GenerateKey(rand.Reader)
				if err != nil {
					panic(err)
				}
				p.server.Signer = fresh
			})
			_, err := p.run(limit(t), address)
			var f *agent.FaultError
			if told && err != nil || !told && (!errors.As(err, &f) || f.Code != notices.TaskUntrusted) {
				t.Errorf("run = %v", err)
			}
		})
	}
}
