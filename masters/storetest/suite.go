package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Session is the way of a capture into a store.
type Session interface {
	Missing(ctx context.Context, ids []chunk.ID) ([]bool, error)
	Put(ctx context.Context, frames []chunk.Frame) error
	Flush(ctx context.Context) error
}

// Source gives frames back.
type Source interface {
	Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}

// Frames returns n chunks of repeatable content, sealed: most of some KiB, every fourth of up to chunk.MaxSize, some of
// them zeros that compress to nearly nothing, some noise that does not compress.
func Frames(t testing.TB, n int, seed uint64) ([]chunk.ID, []chunk.Frame) {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	ids, frames := make([]chunk.ID, n), make([]chunk.Frame, n)
	for i := range frames {
		most := 8 << 10
		if i%4 == 0 {
			most = chunk.MaxSize
		}
		content := make([]byte, 1+random.IntN(most))
		copy(content, fmt.Sprintf("chunk %d of %d, seed %d", i, n, seed))
		if i%2 == 0 {
			for j := range content {
				content[j] = byte(random.Uint32())
			}
		}
		ids[i] = chunk.Of(content)
		frames[i] = codec.Seal(ids[i], content)
	}
	return ids, frames
}

// Prove fetches ids and fails the test unless each comes back, in order, with the content that its id names.
func Prove(t testing.TB, from Source, ids []chunk.ID) {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	err = from.Fetch(context.Background(), ids, func(f chunk.Frame) error {
		if next == len(ids) || f.ID != ids[next] {
			return fmt.Errorf("frame %d is %s", next, f.ID)
		}
		next++
		_, err := codec.Open(nil, f)
		return err
	})
	if err != nil || next != len(ids) {
		t.Errorf("Fetch gave %d of %d frames, %v", next, len(ids), err)
	}
}

// Run proves of a store what every one must do. open returns an empty one: a new session of it and its source.
func Run(t *testing.T, open func(t *testing.T) (Session, Source)) {
	ctx := context.Background()
	ids, frames := Frames(t, 20, 7)
	t.Run("what was put and flushed comes back in any order", func(t *testing.T) {
		in, out := open(t)
		mustPut(t, in, frames)
		reversed := make([]chunk.ID, len(ids))
		for i, id := range ids {
			reversed[len(ids)-1-i] = id
		}
		Prove(t, out, ids)
		Prove(t, out, append(reversed, ids[3], ids[3]))
	})
	t.Run("Missing wants what is not there, and only that", func(t *testing.T) {
		in, _ := open(t)
		mustPut(t, in, frames[:5])
		wanted, err := in.Missing(ctx, ids[:8])
		for i, w := range wanted {
			if w != (i >= 5) {
				t.Errorf("Missing of chunk %d = %v", i, w)
			}
		}
		if err != nil || len(wanted) != 8 {
			t.Errorf("Missing = %d answers, %v", len(wanted), err)
		}
	})
	t.Run("putting twice is putting once", func(t *testing.T) {
		in, out := open(t)
		mustPut(t, in, append(frames[:3:3], frames[:3]...))
		mustPut(t, in, frames[:3])
		Prove(t, out, ids[:3])
	})
	t.Run("a frame whose content is not what its id says is refused, and none of its call is kept", func(t *testing.T) {
		in, _ := open(t)
		bad := frames[1]
		bad.ID = chunk.Of([]byte("another"))
		err := in.Put(ctx, []chunk.Frame{frames[0], bad})
		var damaged *chunk.DamagedError
		if !errors.As(err, &damaged) || damaged.ID != bad.ID {
			t.Errorf("Put = %v, want *chunk.DamagedError of %s", err, bad.ID)
		}
		wanted, err := in.Missing(ctx, []chunk.ID{frames[0].ID, bad.ID})
		if err != nil || !wanted[0] || !wanted[1] {
			t.Errorf("Missing = %v, %v, want both wanted", wanted, err)
		}
	})
	t.Run("a frame that could not be read again is refused", func(t *testing.T) {
		in, _ := open(t)
		empty := chunk.Frame{ID: chunk.Of(nil)}
		foreign := chunk.Frame{ID: chunk.Of([]byte("x")), Codec: 9, Length: 1, Payload: []byte("x")}
		for _, bad := range []chunk.Frame{empty, foreign} {
			err := in.Put(ctx, []chunk.Frame{bad})
			var damaged *chunk.DamagedError
			if !errors.As(err, &damaged) || damaged.ID != bad.ID {
				t.Errorf("Put = %v, want *chunk.DamagedError of %s", err, bad.ID)
			}
		}
	})
	t.Run("a chunk that is not there ends Fetch after those before it", func(t *testing.T) {
		in, out := open(t)
		mustPut(t, in, frames[:2])
		var got []byte
		err := out.Fetch(ctx, []chunk.ID{ids[0], ids[9], ids[1]}, func(f chunk.Frame) error {
			got = append(got, f.Payload...)
			return nil
		})
		if err == nil || !bytes.Equal(got, frames[0].Payload) {
			t.Errorf("Fetch = %d bytes, %v, want the first frame and an error", len(got), err)
		}
	})
}

func mustPut(t testing.TB, in Session, frames []chunk.Frame) {
	t.Helper()
	if err := in.Put(context.Background(), frames); err != nil {
		t.Fatal(err)
	}
	if err := in.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}
