package agent_test

import (
	"bytes"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// A PC whose disk is proven gives back what the server has lost, and nothing but that.
func TestADeployedPCGivesBackWhatTheServerHasLost(t *testing.T) {
	p := newPC(t, blank(t, 700<<20))
	_, hash := captured(t, p)
	m, _, err := manifest.Decode(bytes.NewReader(p.server.Manifests[hash]), 0)
	if err != nil {
		t.Fatal(err)
	}
	var lost []chunk.ID
	for i, e := range m.Chunks.All() {
		if i%7 == 0 {
			lost = append(lost, e.ID)
		}
	}
	for _, id := range append(lost, chunk.Of([]byte("of another master"))) {
		p.server.Lost = append(p.server.Lost, id[:]...)
	}
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	p.order(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1 })
	if e, err := p.run(limit(t), address); err != nil || e != job.EndPowerOff {
		t.Fatalf("deploy: %q, %v\n%s", e, err, p.log.String())
	}
	if r := last(p.server); r.State != job.TaskDone || r.Outcome.ProvenAt.IsZero() {
		t.Errorf("last report %+v, outcome %+v", r, r.Outcome)
	}
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	back := map[chunk.ID]bool{}
	for _, f := range p.server.Healed {
		if _, err := codec.Open(nil, f); err != nil {
			t.Errorf("a frame was given back that is not what it says: %v", err)
		}
		back[f.ID] = true
	}
	for _, id := range lost {
		if !back[id] {
			t.Errorf("chunk %s was not given back", id)
		}
		delete(back, id)
	}
	if len(back) != 0 || len(lost) < 3 {
		t.Errorf("%d chunks too many were given back, of %d that were lost", len(back), len(lost))
	}
	p.has("gave back ", "done deploy debian@1")
}

// What the server says or does about lost chunks is no fault of a PC that is proven.
func TestADeployedPCEndsWellWhateverTheServerHasLost(t *testing.T) {
	for name, answer := range map[string][]byte{"half an id": make([]byte, 33), "more than is allowed": make([]byte, 32*(job.MaxHeal+1))} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t, blank(t, 700<<20))
			_, hash := captured(t, p)
			p.server.Lost = answer
			p.server.Close()
			address := p.server.Start("127.0.0.1:0")
			p.order(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1 })
			if e, err := p.run(limit(t), address); err != nil || e != job.EndPowerOff {
				t.Fatalf("deploy: %q, %v\n%s", e, err, p.log.String())
			}
			if r := last(p.server); r.State != job.TaskDone || len(p.server.Healed) != 0 {
				t.Errorf("last report %+v, %d frames were given back", r, len(p.server.Healed))
			}
			p.has("giving chunks back: ", "done deploy debian@1")
		})
	}
}

// A chunk with an exception inside is not the master's on this PC.
func TestWhatIsThisPCsOwnIsNotGivenBack(t *testing.T) {
	p := newPC(t, blank(t, 700<<20))
	_, hash := captured(t, p)
	m, _, err := manifest.Decode(bytes.NewReader(p.server.Manifests[hash]), 0)
	if err != nil {
		t.Fatal(err)
	}
	times := map[chunk.ID]int{}
	for _, e := range m.Chunks.All() {
		times[e.ID]++
	}
	var own manifest.Entry // a file's, and nobody else's
	for _, e := range m.Chunks.All() {
		if times[e.ID] == 1 && len(e.Pieces) == 1 && e.Length > 30_000 {
			own = e
		}
	}
	content := []byte("S104-07")
	p.server.Lost = own.ID[:]
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	p.order(func(k *job.Task) {
		k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1
		k.Exceptions = []job.Exception{{Offset: own.Pieces[0].Offset + 100, Length: int64(len(content)), Hash: chunk.Of(content).String(),
			Content: content, Why: "computer name"}}
	})
	if e, err := p.run(limit(t), address); err != nil || e != job.EndPowerOff {
		t.Fatalf("deploy: %q, %v\n%s", e, err, p.log.String())
	}
	if r := last(p.server); r.State != job.TaskDone || len(p.server.Healed) != 0 {
		t.Errorf("last report %+v, %d frames were given back", r, len(p.server.Healed))
	}
}
