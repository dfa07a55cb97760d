package agent

import (
	"context"
	"io"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/peer"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	healTime  = time.Minute // the person in front of the PC waits for it
	healBytes = 4 << 20     // of frames sent at once
)

// heal gives the server what it has lost of the master that this disk was just proven to hold. Whatever goes wrong here
// is the server's loss, not this PC's.
func (a *agent) heal(ctx context.Context, d io.ReaderAt, m *manifest.Manifest) {
	ctx, stop := context.WithTimeout(ctx, healTime)
	defer stop()
	wanted, err := a.client.Wanted(ctx)
	sent := 0
	if err == nil && len(wanted) > 0 {
		sent, err = a.giveBack(ctx, d, m, wanted)
	}
	if sent > 0 {
		a.Screen.Note("gave back %d chunks that the server had lost", sent)
	}
	if err != nil {
		a.Screen.Note("giving chunks back: %v", err)
	}
}

// giveBack reads chunks from the disk and sends those that are what their ids say: an exception may lie in one.
func (a *agent) giveBack(ctx context.Context, d io.ReaderAt, m *manifest.Manifest, wanted []chunk.ID) (sent int, err error) {
	left := make(map[chunk.ID]struct{}, len(wanted))
	for _, id := range wanted {
		left[id] = struct{}{}
	}
	codec, err := chunk.NewCodec(1)
	if err != nil {
		return 0, err
	}
	var batch []chunk.Frame
	bytes := 0
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := a.client.Heal(ctx, batch); err != nil {
			return err
		}
		sent += len(batch)
		batch, bytes = nil, 0
		return nil
	}
	for _, e := range m.Chunks.All() {
		if _, want := left[e.ID]; !want {
			continue
		}
		content, err := peer.Content(d, e)
		if err != nil {
			return sent, err
		}
		if chunk.Of(content) != e.ID {
			continue // the same chunk may lie elsewhere, too
		}
		delete(left, e.ID)
		f := codec.Seal(e.ID, content)
		batch = append(batch, f)
		if bytes += f.Size(); bytes >= healBytes {
			if err := send(); err != nil {
				return sent, err
			}
		}
	}
	return sent, send()
}
